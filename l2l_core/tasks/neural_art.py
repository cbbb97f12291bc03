"""A picture as the optimizee: it shall show what a photograph shows, painted like a painting."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from l2l_core.perceptual import NETWORKS, gram, total_variation
from l2l_core.perceptual_weights import trained
from l2l_core.tree import Params, to
from l2l_core.types import Optimizee, Task


@dataclass(frozen=True)
class NeuralArt(Task):
    r"""Paint the photographs `contents` in the manner of `style` (Andrychowicz et al. 2016, §3.4; Gatys et al. 2015).

    θ is a picture `[3, side, side]`, its colours in [0, 1], and f(θ) the sum of three `parts`. With the activations
    $F_l$ of a perceptual network and their Gram matrices $G_l$, *content* is α times the mean of
    $(F_c(\theta) - F_c(\text{photograph}))^2$, *style* β times the sum over the style layers of
    $\lVert G_l(\theta) - G_l(\text{painting})\rVert^2 / \lVert G_l(\text{painting})\rVert^2$, and *smoothness* γ times
    the total variation. α, β and γ are `content_weight`, `style_weight` and `smoothness`.

    A problem is a photograph and a start, grey with noise: $0.5 + 0.1\,z$. There are no minibatches: every step sees
    the photograph's own activations. The paper states neither the network nor its layers nor α, β, γ;
    these were chosen by looking at pictures that Adam had painted, before any rule was trained.

    `contents` `[N, 3, side, side]`, `style` `[3, h, w]`, both in [0, 1]; `pictures` is a digest of the two, by which
    tasks are told apart. Raises ValueError for other shapes or an unknown network or layer, FileNotFoundError where
    the network's weights are not there.
    """

    contents: Tensor = field(repr=False, compare=False)
    style: Tensor = field(repr=False, compare=False)
    source: str
    network: str = "vgg"
    content_layer: str = "relu2_2"
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1")
    content_weight: float = 1.0
    style_weight: float = 10.0
    smoothness: float = 3.0
    device: str = "cpu"
    pictures: str = field(init=False)
    weights: Params = field(init=False, repr=False, compare=False)
    grams: Mapping[str, Tensor] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.contents.dim() != 4 or self.contents.shape[1] != 3 or self.contents.shape[2] != self.contents.shape[3]:
            raise ValueError(f"contents are square pictures [N, 3, side, side], got {[*self.contents.shape]}")
        if self.style.dim() != 3 or len(self.style) != 3:
            raise ValueError(f"a style is a picture [3, height, width], got {[*self.style.shape]}")
        object.__setattr__(self, "pictures", _digest(self.contents, self.style))
        object.__setattr__(self, "weights", to(trained(self.network), self.device))
        with torch.no_grad():
            found = NETWORKS[self.network](self.weights, self.style.to(self.device))
        unknown = {self.content_layer, *self.style_layers} - set(found)
        if unknown:
            raise ValueError(f"{self.network!r} has no layer {', '.join(sorted(unknown))}; it has {', '.join(found)}")
        object.__setattr__(self, "grams", {layer: gram(found[layer]) for layer in self.style_layers})

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw a photograph and a start."""
        which = int(torch.randint(len(self.contents), (), generator=gen))
        return self.problem(which, gen)

    def problem(self, k: int, gen: torch.Generator) -> Optimizee:
        """The problem of photograph number `k`, round after round; the start comes from `gen`.

        So a test on as many problems as there are photographs shows every one of them once.
        """
        picture = self.contents[k % len(self.contents)].to(self.device)
        with torch.no_grad():
            target = NETWORKS[self.network](self.weights, picture)[self.content_layer]
        params = to({"picture": self.start(picture.cpu(), gen)}, self.device)

        def batches(steps: int, gen: torch.Generator) -> Tensor:
            return target.expand(steps, *target.shape)

        return Optimizee(params, self.loss, batches)

    def start(self, photograph: Tensor, gen: torch.Generator) -> Tensor:
        """θ_0 for a photograph: grey with noise, whatever it shows."""
        return 0.5 + 0.1 * torch.randn(photograph.shape, generator=gen)

    def parts(self, params: Params, target: Tensor) -> dict[str, Tensor]:
        """What the loss is the sum of: "content", "style", "smoothness", with their weights."""
        found = NETWORKS[self.network](self.weights, params["picture"])
        style = sum((gram(found[k]) - g).square().sum() / g.square().sum() for k, g in self.grams.items())
        return {
            "content": self.content_weight * (found[self.content_layer] - target).square().mean(),
            "style": self.style_weight * style,
            "smoothness": self.smoothness * total_variation(params["picture"]),
        }

    def loss(self, params: Params, batch: Tensor) -> Tensor:
        """f(θ) for one picture; `batch` holds the photograph's activations."""
        return sum(self.parts(params, batch).values())


class FromPhotograph(NeuralArt):
    """The same, begun at the photograph itself: of the loss, the content is 0 there."""

    def start(self, photograph: Tensor, gen: torch.Generator) -> Tensor:
        """θ_0 is the photograph; nothing is drawn."""
        return photograph.clone()


def _digest(*pictures: Tensor) -> str:
    return hashlib.sha256(b"".join(p.detach().cpu().contiguous().numpy().tobytes() for p in pictures)).hexdigest()[:12]
