"""One step of a trained rule as an ONNX file, which needs neither this package nor PyTorch to run."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from l2l_core.rule import Rule
from l2l_core.rules import Grouped
from l2l_core.tree import leaves, map_tree, with_leaves
from l2l_core.types import Signal

OPSET = 20
TRIED = 5
"""Coordinates of the trial that a rule must pass before it is exported."""


def export_step(rule: Rule, path: str | Path) -> None:
    r"""Write $(g_t, h_{t+1}) = m(\nabla_t, h_t; \varphi)$ of a coordinatewise rule to an ONNX file, for any n.

    Inputs: `gradient` `[n]` and `state.0`, `state.1`, …, `[n, …]` each. Outputs: `update` `[n]`, which the caller adds
    to θ, and `next_state.0`, …. A run begins with the leaves of `first_state`.

    Raises ImportError without the packages onnx and onnxscript; ValueError for a rule that needs more than the gradient
    and its own memory (the step, the horizon, the loss, θ or names), or whose coordinates are not treated alike.
    """
    try:
        import onnxscript  # noqa: F401 - and it needs onnx
    except ImportError as error:
        raise ImportError('exporting a rule needs onnx and onnxscript: pip install "l2l-core[onnx]"') from error
    if any(isinstance(part, Grouped) for part in rule.modules()):
        raise ValueError("a rule for several groups goes by the names of tensors: export the rule of each group")
    rule = deepcopy(rule).eval().cpu().requires_grad_(False)
    step, state = _Step(rule).eval(), first_state(rule, TRIED)
    gradient = torch.linspace(-1, 1, TRIED, dtype=_dtype(rule))
    _try(step, gradient, state)
    numbers = range(len(state))
    given = (gradient, state) if state else (gradient,)
    # one named axis, which tracing finds out to be that of all others
    axes = ({0: "n"}, [{0: torch.export.Dim.DYNAMIC} for _ in numbers])
    program = torch.onnx.export(
        step,
        given,
        dynamo=True,
        opset_version=OPSET,
        input_names=["gradient", *(f"state.{i}" for i in numbers)],
        output_names=["update", *(f"next_state.{i}" for i in numbers)],
        dynamic_shapes=axes[: len(given)],
        verbose=False,
    )
    if any(isinstance(value.shape[0], int) for value in (*program.model.graph.inputs, *program.model.graph.outputs)):
        raise ValueError(f"{type(rule).__name__} can only be exported for a fixed number of coordinates")
    program.save(str(path))


def first_state(rule: Rule, n: int) -> list[Tensor]:
    """The memory s_0 of n coordinates: what `state.0`, `state.1`, … of the exported step are at first."""
    # cloned: a rule may begin with one tensor in several places, which would be one input
    return [leaf.clone() for leaf in leaves(rule.init({"theta": torch.zeros(n, dtype=_dtype(rule))}))]


class _Step(nn.Module):
    """A rule's update of one vector θ, which the rule is not shown."""

    def __init__(self, rule: Rule):
        super().__init__()
        self.rule = rule
        self.template = map_tree(lambda leaf: None, rule.init({"theta": torch.zeros(TRIED, dtype=_dtype(rule))}))

    def forward(self, gradient: Tensor, state: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        hidden = {"theta": torch.full_like(gradient, torch.nan)}  # what is made of θ is no number
        signal = Signal({"theta": gradient}, None, None, None)
        update, after = self.rule.update(signal, with_leaves(self.template, list(state)), hidden)
        return update["theta"], *leaves(after)


@torch.no_grad()
def _try(step: _Step, gradient: Tensor, state: Sequence[Tensor] = ()) -> None:
    """Two steps with nothing but the gradient, then the same with the coordinates in reverse."""
    name = type(step.rule).__name__
    if any(leaf.shape[:1] != gradient.shape for leaf in state):
        shapes = [tuple(leaf.shape) for leaf in state]
        raise ValueError(f"{name} remembers {shapes} of {TRIED} coordinates; each must have its own memory")
    try:
        _, *warm = step(gradient, state)
        whole = step(gradient, warm)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} needs more than the gradient and its own memory: {error}") from error
    if not all(leaf.isfinite().all() for leaf in whole):
        raise ValueError(f"{name} needs θ itself, which is no input of an exported step")
    mirrored = step(gradient.flip(0), [leaf.flip(0) for leaf in warm])
    if not all(torch.allclose(one.flip(0), other, atol=1e-6) for one, other in zip(whole, mirrored, strict=True)):
        raise ValueError(f"{name} does not treat coordinates alike: permuting them does not permute its updates")


def _dtype(rule: Rule) -> torch.dtype:
    # single numbers (a learning rate) go with tensors of every kind
    return next((w.dtype for w in rule.parameters() if w.ndim), torch.get_default_dtype())
