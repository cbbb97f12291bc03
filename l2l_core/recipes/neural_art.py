"""Learning to paint: the optimizee is a picture (Andrychowicz et al. 2016, §3.4)."""

import torch

from l2l_core.features import LogSign
from l2l_core.gallery import painting, photographs
from l2l_core.recipes.base import Budget, Recipe
from l2l_core.rule import Rule
from l2l_core.rules import CoordinatewiseLSTM, Reflected
from l2l_core.tasks.neural_art import NeuralArt

STYLE = "starry_night"
"""The painting of meta-training; the paper does not name its own."""

RATES = {"sgd": 0.75, "nag": 0.5, "rmsprop": 0.006, "adam": 0.05, "adam-cosine": 0.1}
"""Where tuning starts."""


_OF_VGG = {"content_layer": "relu2_2", "style_layers": ("relu1_1", "relu2_1", "relu3_1")}
LAYERS = {
    **dict.fromkeys(("vgg", "torchvision", "random"), _OF_VGG),
    "squeezenet": {"content_layer": "fire3", "style_layers": ("conv1", "fire3", "fire5")},
}
"""Which layers of a perceptual network say what is shown, and which how it is painted."""


def easel(
    split: str,
    device: str,
    *,
    style: str = STYLE,
    side: int = 64,
    network: str = "vgg",
    kind: type[NeuralArt] = NeuralArt,
    **weights: float,
) -> NeuralArt:
    """Photographs of `side` pixels to be painted like `style`, whose picture is twice as wide: its strokes show.

    `kind` says where pictures begin; `weights` are `content_weight`, `style_weight`, `smoothness`.
    """
    found = photographs(split, side)
    looks = {"network": network, **LAYERS[network]}
    return kind(found.pixels, painting(style, 2 * side), found.source, device=device, **looks, **weights)


def quiet() -> Rule:
    """The paper's LSTM in random reflection, its output multiplied by 0.1, its read-out begun at a tenth of its size.

    Colours lie in [0, 1], and the usual read-out would begin with steps of a tenth and more. The paper, as we recall,
    scales no outputs here. Without the 0.1, and a read-out begun at a hundredth so that the first steps are the same,
    a step of Adam on φ moves the output ten times as far: in short trials at this recipe's rate pictures grew out of
    bounds, and at a fifth of it meta-training was slower. Without reflection the loss rose again towards step 128.
    """
    rule = CoordinatewiseLSTM(features=LogSign(), scale=0.1)
    with torch.no_grad():
        for w in rule.readout.parameters():
            w *= 0.1
    return Reflected(rule)


NEURAL_ART = (
    Recipe(
        name="neural-art",
        family="neural-art",
        summary="Photographs of 64×64 pixels, painted like The Starry Night (Fig. 8 left)",
        task=easel,
        rule=quiet,
        horizon=128,
        window=32,
        test_steps=128,
        meta_lr=(5e-3, 5e-3),
        slowdown=240,
        baselines=RATES,
        scales={
            "smoke": Budget(1, 1, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1, steps=32),
            "paper": Budget(1200, 120, b=1, validation_problems=8, tuning_problems=8, test_problems=100, seeds=3),
        },
    ),
)
"""One recipe, trained on one style."""
