"""`l2l_core` as it is: `tbptt` for meta-training, `evaluate` for evaluation, `RuleOptimizer` for steps."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.problem import Arrays, Problem
from benchmarks.sides import Window
from benchmarks.sides.given import flat, with_gradients
from benchmarks.sides.networks import network
from benchmarks.workloads import WINDOWS
from l2l_core import (
    CoordinatewiseLSTM,
    LogSign,
    RawGradient,
    Rule,
    RuleOptimizer,
    Unroll,
    evaluate,
    from_module,
    load_pretrained,
    tbptt,
)
from l2l_core.rules import Grouped
from l2l_core.tasks import Quadratic
from l2l_core.types import Loss, Optimizee, Task

# PyTorch imports much at the first use of its function transforms: a part of what importing takes
torch.vmap(torch.func.grad(torch.sin))(torch.zeros(1))


class Stored(Task):
    """The problems of a file one after another, round and round, with the file's minibatches."""

    def __init__(self, problem: Problem):
        self.problem, self.drawn, self.loss = problem, 0, loss(problem)
        self.params = {name: torch.from_numpy(p) for name, p in problem.params.items()}

    def sample(self, gen: torch.Generator) -> Optimizee:
        """The next problem; `gen` is not asked."""
        i, self.drawn = self.drawn % self.problem.workload.b, self.drawn + 1
        if self.problem.workload.family == "quadratic":
            w, y = (torch.from_numpy(self.problem.data[name][i]) for name in "wy")
            theta = {"theta": self.params["theta"][i]}
            return Optimizee(theta, self.loss, lambda steps, gen: (w.expand(steps, -1, -1), y.expand(steps, -1)))
        at = -1

        def batches(steps: int, gen: torch.Generator) -> Tensor:
            nonlocal at
            at += steps
            return torch.from_numpy(self.problem.points(at - steps, steps))

        return Optimizee(self.params, self.loss, batches)


def loss(problem: Problem) -> Loss:
    """The loss of one optimizee."""
    family, data = problem.workload.family, {name: torch.from_numpy(d) for name, d in problem.data.items()}
    if family == "quadratic":
        return Quadratic(problem.workload.size, scale=1.0).loss
    if family == "bowl":
        return lambda params, batch: 0.5 * (params["theta"] - data["y"]).square().sum()
    return from_module(lambda: network(problem.workload), cross_entropy, data["images"], data["labels"]).loss


def rule(problem: Problem) -> Rule:
    """The trained LSTMs of the file."""
    workload, rules = problem.workload, {}
    for group, phi in problem.phi.items():
        features = LogSign() if workload.features == "log_sign" else RawGradient()
        rules[group] = CoordinatewiseLSTM(workload.hidden, workload.depth, features=features, scale=workload.scale)
        rules[group].load_state_dict({name: torch.from_numpy(w) for name, w in phi.items()})
    group_of = {name: group for group, names in problem.groups.items() for name in names}
    return rules["all"] if "all" in rules else Grouped(rules, lambda name, shape: group_of[name])


class Ours:
    """See `Side`."""

    def __init__(self, problem: Problem):
        self.problem, self.rule, workload = problem, rule(problem), problem.workload
        self.task = Stored(problem)
        self.phi = dict(self.rule.named_parameters())
        unroll = Unroll(self.rule, horizon=WINDOWS * workload.window)
        self.estimator = tbptt(unroll, self.task, workload.b, workload.window)
        self.state = self.estimator.init(torch.Generator())
        self.optimizer = None

    def train(self, count: int) -> Window:
        """Windows of `tbptt`."""
        for _ in range(count):
            estimate, self.state = self.estimator.step(self.phi, self.state)
        grad = {group: self._within(estimate.grad, group) for group in self.problem.phi}
        return Window(estimate.losses.numpy(), grad)

    def evaluate(self, count: int) -> Arrays:
        """Runs of `evaluate`."""
        for _ in range(count):
            losses = evaluate(self.rule, self.task, self.problem.workload.b, self.problem.workload.episode)
        return losses.numpy()

    def step(self, count: int) -> Arrays:
        """Steps of `RuleOptimizer`."""
        if self.optimizer is None:
            self.params = with_gradients(self.problem)
            trained = load_pretrained(self.problem.workload.weights["all"])
            self.optimizer = RuleOptimizer(self.params.items(), trained)
        for _ in range(count):
            self.optimizer.step()
        return flat(self.params)

    def _within(self, grad: dict[str, Tensor], group: str) -> Arrays:
        prefix = "" if group == "all" else f"rules.{group}."
        return {name.removeprefix(prefix): g.numpy() for name, g in grad.items() if name.startswith(prefix)}


SIDE = Ours
