"""What is run: plain descriptions, which import nothing and fit on a command line."""

import json
from dataclasses import asdict, dataclass, replace

WINDOWS = 5
"""Windows of one episode of meta-training; the next begins at θ_0 again."""
MODES = ("train", "evaluate", "step")
"""Meta-training (backward included), evaluation (none), one `step()` of an optimizer whose gradients are given."""


@dataclass(frozen=True)
class Workload:
    """One family of optimizees, how many at once, and the LSTM that steps them.

    `family`: "quadratic" (`size` coordinates each), "mlp" (784–`size`–…–10, sigmoid; more widths in `deeper`),
    "convnet" (three convolutions of `size` channels on 32×32×3), or "bowl", ½‖θ − y‖² of `size` coordinates, where
    nearly all work is the rule's own. `weights` names the trained rule in the zoo, one a group of tensors: groups
    other than "all" are "kernels" (four axes) and "rest". `features` is "raw" or "log_sign".
    Meta-training has `window` steps a window, an evaluation `episode` steps.
    """

    name: str
    family: str
    size: int
    weights: dict[str, str]
    features: str = "log_sign"
    scale: float = 0.1
    b: int = 1
    window: int = 20
    episode: int = 100
    batch_size: int = 128
    deeper: tuple[int, ...] = ()
    hidden: int = 20
    depth: int = 2

    def dumps(self) -> str:
        """This description as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, line: str) -> "Workload":
        """The inverse of `dumps`."""
        fields = json.loads(line)
        return cls(**{**fields, "deeper": tuple(fields["deeper"])})

    def steps(self, mode: str) -> int:
        """Inner steps of one unit of work: a window, an evaluation, a step."""
        return {"train": self.window, "evaluate": self.episode, "step": 1}[mode]


_PLAIN = {"all": "mnist-as-printed-lstm"}
B1 = Workload("B1", "quadratic", 10, {"all": "quadratic-lstm"}, "raw", scale=1.0, b=128)
B2 = Workload("B2", "mlp", 20, _PLAIN)
B3 = Workload("B3", "mlp", 1000, {"all": "mnist-lstm"}, deeper=(200,))
_TWO = {"kernels": "mnist-as-printed-lstm", "rest": "mnist-as-printed-lstm-seed0"}
# small steps: at the kinks of ReLU and max-pooling larger ones let rounding part the sides; the work is the same
B4 = Workload("B4", "convnet", 16, _TWO, scale=1e-5, episode=20)
_BOWL = Workload("bowl", "bowl", 1000, _PLAIN)

RACES: dict[str, tuple[Workload, tuple[str, ...]]] = {
    "B1": (B1, ("train", "evaluate")),
    "B2": (B2, ("train", "evaluate")),
    "B3": (B3, ("step",)),
    "B4": (B4, ("train", "evaluate")),
}
"""Workloads that are raced, and in which modes."""

_SIZES = {10**3: 100, 10**4: 100, 10**5: 20, 10**6: 10, 10**7: 5}
_BOWLS = {n: replace(_BOWL, name=f"bowl of {n}", size=n, episode=steps) for n, steps in _SIZES.items()}

# small steps again: over hundreds of them rounding errors grow
_WINDOWS = {w: replace(B2, name=f"window of {w}", window=w, scale=0.01) for w in (5, 10, 20, 50, 100, 200)}

CURVES: dict[str, tuple[dict[int, Workload], tuple[str, ...]]] = {
    "coordinates": (_BOWLS, ("train", "evaluate")),
    "window": (_WINDOWS, ("train",)),
    "optimizees": (
        {b: replace(B1, name=f"{b} quadratics", b=b) for b in (1, 4, 16, 64, 256)},
        ("train", "evaluate"),
    ),
}
"""Scaling curves: the workload at each size of what grows, and in which modes."""


def tiny(workload: Workload) -> Workload:
    """The same at a size that takes no time."""
    size = {"quadratic": 4, "mlp": 2, "convnet": 2, "bowl": 50}[workload.family]
    deeper = (3,) * len(workload.deeper)
    return replace(workload, size=size, deeper=deeper, b=min(workload.b, 3), window=4, episode=20, batch_size=8)
