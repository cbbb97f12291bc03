"""Update rules by name."""

from collections.abc import Callable

from l2l_core.features import LogSign
from l2l_core.rule import Rule
from l2l_core.rules.adaptive import Adam, RMSprop
from l2l_core.rules.lstm import CoordinatewiseLSTM
from l2l_core.rules.odd import Odd
from l2l_core.rules.sgd import NAG, SGD, Momentum
from l2l_core.rules.wrappers import Forgetful, Grouped, Reflected, Scheduled, Without, constant, cosine

RULES: dict[str, Callable[..., Rule]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nag": NAG,
    "rmsprop": RMSprop,
    "rmsprop-0.9": lambda lr: RMSprop(lr, alpha=0.9),
    "adam": Adam,
    "adam-cosine": lambda lr: Scheduled(Adam(lr), cosine),
    "lstm": CoordinatewiseLSTM,
    "lstm-log-sign": lambda **settings: CoordinatewiseLSTM(features=LogSign(), **settings),
    "lstm-odd": lambda **settings: Odd(Without(CoordinatewiseLSTM(features=LogSign(), **settings), "readout.bias")),
    "lstm-reflected": lambda **settings: Reflected(CoordinatewiseLSTM(features=LogSign(), **settings)),
}
"""Every rule of the book: hand-designed ones take a learning rate, learned ones their settings."""

HAND_DESIGNED = ("sgd", "momentum", "nag", "rmsprop", "rmsprop-0.9", "adam", "adam-cosine")
"""The names in `RULES` whose only weight is a learning rate."""

__all__ = [
    "HAND_DESIGNED",
    "NAG",
    "RULES",
    "SGD",
    "Adam",
    "CoordinatewiseLSTM",
    "Forgetful",
    "Grouped",
    "Momentum",
    "Odd",
    "RMSprop",
    "Reflected",
    "Rule",
    "Scheduled",
    "Without",
    "constant",
    "cosine",
]
