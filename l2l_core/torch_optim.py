"""Any rule as a `torch.optim.Optimizer`."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from l2l_core.rule import Rule, State
from l2l_core.tree import Params, leaves, map_tree, with_leaves
from l2l_core.types import Signal


class RuleOptimizer(torch.optim.Optimizer):
    """Drive a module with a rule, learned or hand-designed, in an ordinary training loop.

    `params` are tensors, `named_parameters()` or parameter groups, as for any PyTorch optimizer; a group is one
    optimizee. Names matter to rules that treat tensors differently; unnamed tensors are called "0", "1", ….
    `horizon` is the number of steps planned, for rules with a schedule. The group's `lr` (default 1) multiplies
    the rule's update, so that learning-rate schedulers work.

    Tensors that do not require a gradient at the first step are left out. A tensor whose gradient is None at
    some step stands still, and the rule sees a zero gradient there.

    Raises TypeError for what is no rule; ValueError for a negative `lr` or a name given twice within a group, and at a
    step for tensors of mixed dtype or device within a group, a rule whose weights are of another, or a loaded state of
    another rule.
    """

    def __init__(self, params: Iterable[Any], rule: Rule, *, horizon: int | None = None, lr: float = 1.0):
        if not isinstance(rule, Rule):
            raise TypeError(f"rule must be a Rule, such as load_pretrained('mnist-lstm'), got {rule!r}")
        if not lr >= 0:
            raise ValueError(f"lr must not be negative, got {lr}")
        self.rule, self.horizon, self._templates = rule, horizon, {}
        super().__init__(params, {"lr": lr})

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "rule": self.rule, "horizon": self.horizon, "_templates": {}}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As any PyTorch optimizer's. A group is one optimizee, so its names must differ."""
        super().add_param_group(param_group)
        names = self.param_groups[-1].get("param_names", [])
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"names must differ within a group, not so {', '.join(twice)}. Use several groups.")

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """θ ← θ + lr · g. With a `closure`, it is evaluated first and its loss shown to the rule."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        shown = loss.detach() if isinstance(loss, Tensor) else loss
        for group in self.param_groups:
            if group["params"]:
                self._step_group(group, shown)
        return loss

    def _step_group(self, group: dict[str, Any], loss: Tensor | None) -> None:
        names = group.get("param_names") or [str(i) for i in range(len(group["params"]))]
        memory = next((self.state[p] for p in group["params"] if p in self.state), None)
        if memory is None:
            taking_part = [i for i, p in enumerate(group["params"]) if p.requires_grad]
            if not taking_part:
                return
            # of a tensor that takes part, because a loaded state is cast to the dtype of the one that holds it
            memory = self.state[group["params"][taking_part[0]]]
            memory.update(step=0, taking_part=taking_part)
        tensors = {names[i]: group["params"][i] for i in memory["taking_part"]}
        _check_uniform(tensors, self.rule)
        params = {name: p.detach() for name, p in tensors.items()}
        if "leaves" not in memory:
            memory["leaves"] = leaves(self.rule.init(params))
        state = self._as_state(memory["leaves"], params)
        grads = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in tensors.items()}
        signal = Signal(grads, loss, memory["step"], self.horizon)
        update, state = _one_of_many(self.rule, signal, state, params)
        for name, p in tensors.items():
            if p.grad is not None:
                p.add_(update[name], alpha=group["lr"])
        memory.update(step=memory["step"] + 1, leaves=leaves(state))

    def _as_state(self, found: list[Tensor], params: Params) -> State:
        """The leaves that are remembered as the rule's state, whose structure is looked up once."""
        key = tuple((name, tuple(p.shape)) for name, p in params.items())
        if key not in self._templates:
            self._templates[key] = map_tree(lambda s: s.to("meta"), self.rule.init(params))
        template = self._templates[key]
        _check_shapes(found, leaves(template))
        return with_leaves(template, found)


def _one_of_many(rule: Rule, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
    """A rule's update of one optimizee by the way that is made for many, which is the fast one."""

    def many(tree: Any) -> Any:
        return map_tree(lambda leaf: leaf.unsqueeze(0) if isinstance(leaf, Tensor) else leaf, tree)

    batched = signal._replace(grad=many(signal.grad), loss=many(signal.loss))
    update, state = rule.update_many(dict(rule.named_parameters()), batched, many(state), many(params))
    return map_tree(lambda leaf: leaf[0], (update, state))


def _check_uniform(tensors: Params, rule: Rule) -> None:
    kinds = {(p.dtype, p.device) for p in tensors.values()}
    if len(kinds) > 1:
        raise ValueError(f"one group, one dtype and device; got {sorted(map(str, kinds))}. Use several groups.")
    # single numbers (a learning rate) go with tensors of every kind
    others = {(w.dtype, w.device) for w in rule.parameters() if w.ndim} - kinds
    if others:
        (dtype, device), (other, elsewhere) = kinds.pop(), others.pop()
        raise ValueError(
            f"the parameters are {dtype} on {device}, the rule's weights {other} on {elsewhere}: "
            f"pass rule.to('{device}', {dtype})"
        )


def _check_shapes(found: list[Tensor], expected: list[Tensor]) -> None:
    shapes = [[tuple(leaf.shape) for leaf in some] for some in (found, expected)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "the optimizer holds the state of another rule or of other parameters: shapes {}, not {}".format(*shapes)
        )
