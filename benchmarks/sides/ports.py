"""The way of the existing PyTorch ports: `nn.LSTMCell`s step by step, in one autograd graph with the optimizee.

First order, as there: the gradient that the rule sees is detached. One `backward` a window goes through the LSTM and
through the losses. All coordinates are one batch of the cells, and nothing is computed twice.
"""

from math import exp

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from benchmarks.problem import Arrays, Problem
from benchmarks.sides import Window
from benchmarks.sides.given import flat, with_gradients
from benchmarks.sides.networks import network
from benchmarks.workloads import WINDOWS

Params = dict[str, Tensor]
State = list[tuple[Tensor, Tensor]]
P = 10.0


def log_sign(gradient: Tensor) -> Tensor:
    """`[n]` to `[n, 2]`: magnitude and sign."""
    size = gradient.abs()
    large = size >= exp(-P)
    first = torch.where(large, size.clamp_min(exp(-P)).log() / P, -1.0)
    return torch.stack([first, torch.where(large, gradient.sign(), gradient * exp(P))], 1)


class OptimizerLSTM(nn.Module):
    """The cells and the read-out of one group of coordinates."""

    def __init__(self, problem: Problem, phi: Arrays):
        super().__init__()
        workload = problem.workload
        self.log_sign, self.scale, self.hidden = workload.features == "log_sign", workload.scale, workload.hidden
        widths = [2 if self.log_sign else 1] + [self.hidden] * (workload.depth - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(width, self.hidden) for width in widths)
        self.readout = nn.Linear(self.hidden, 1)
        for ours, port in self.names().items():
            self.get_parameter(port).data = torch.from_numpy(phi[ours])
        for cell in self.cells:
            nn.init.zeros_(cell.bias_hh)

    def names(self) -> dict[str, str]:
        """What each weight is called in the file, and here; the cells' second bias is zero."""
        names = {"readout.weight": "readout.weight", "readout.bias": "readout.bias"}
        for layer in range(len(self.cells)):
            names |= {f"cells.{layer}.{name}": f"cells.{layer}.{name}" for name in ("weight_ih", "weight_hh")}
            names[f"cells.{layer}.bias"] = f"cells.{layer}.bias_ih"
        return names

    def start(self, n: int) -> State:
        """Empty memories of n coordinates."""
        return [(torch.zeros(n, self.hidden), torch.zeros(n, self.hidden)) for _ in self.cells]

    def forward(self, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """∇ `[n]` to g `[n]`."""
        x, after = log_sign(gradient) if self.log_sign else gradient.unsqueeze(1), []
        for cell, memory in zip(self.cells, state, strict=True):
            after.append(cell(x, memory))
            x = after[-1][0]
        return self.scale * self.readout(x).squeeze(1), after


class Ports:
    """See `Side`."""

    def __init__(self, problem: Problem):
        self.problem, self.groups = problem, problem.groups
        self.rules = {group: OptimizerLSTM(problem, phi) for group, phi in problem.phi.items()}
        self.data = {name: torch.from_numpy(d) for name, d in problem.data.items()}
        if "images" in self.data:
            self.network = network(problem.workload)
        self.at, self.stepped = WINDOWS * problem.workload.window, None

    def losses(self, params: Params, batch: np.ndarray) -> Tensor:
        """f of all optimizees `[b]`."""
        if self.problem.workload.family == "quadratic":
            residual = torch.bmm(self.data["w"], params["theta"].unsqueeze(2)).squeeze(2) - self.data["y"]
            return residual.square().sum(1)
        if self.problem.workload.family == "bowl":
            return 0.5 * (params["theta"] - self.data["y"]).square().sum().unsqueeze(0)
        logits = functional_call(self.network, params, (self.data["images"][batch],))
        return cross_entropy(logits, self.data["labels"][batch]).unsqueeze(0)

    def gradient(self, loss: Tensor, params: Params, keep: bool) -> Params:
        """∇f of all optimizees, a constant; `keep` the graph for a later backward."""
        return dict(zip(params, torch.autograd.grad(loss.sum(), list(params.values()), retain_graph=keep), strict=True))

    def start(self) -> None:
        """θ_0, its loss and gradient, empty memories."""
        params = {name: torch.from_numpy(p).requires_grad_() for name, p in self.problem.params.items()}
        self.loss = self.losses(params, self.problem.points(-1, 1)[0])
        self.grad = self.gradient(self.loss, params, keep=False)
        self.params, self.loss, self.at = detached(params), self.loss.detach(), 0
        self.states = {}
        for group, rule in self.rules.items():
            self.states[group] = rule.start(sum(params[name].numel() for name in self.groups[group]))

    def update(self, params: Params) -> Params:
        """θ + g, group by group."""
        after = {}
        for group, names in self.groups.items():
            gradient = torch.cat([self.grad[name].reshape(-1) for name in names])
            step, self.states[group] = self.rules[group](gradient, self.states[group])
            pieces = step.split([params[name].numel() for name in names])
            after |= {name: params[name] + g.view_as(params[name]) for name, g in zip(names, pieces, strict=True)}
        return {name: after[name] for name in params}

    def train(self, count: int) -> Window:
        """Windows, each one graph."""
        for _ in range(count):
            if self.at >= WINDOWS * self.problem.workload.window:
                self.start()
            window = self._window()
        return window

    def _window(self) -> Window:
        params, losses, total = self.params, [self.loss], torch.zeros(())
        for batch in self.problem.points(self.at, self.problem.workload.window):
            params = self.update(params)
            loss = self.losses(params, batch)
            self.grad = self.gradient(loss, params, keep=True)
            losses.append(loss)
            total = total + loss.mean()
        for rule in self.rules.values():
            rule.zero_grad()
        total.backward()
        self.params, self.loss, self.at = detached(params), losses[-1].detach(), self.at + len(losses) - 1
        self.states = {g: [(h.detach(), c.detach()) for h, c in state] for g, state in self.states.items()}
        grad = {}
        for group, rule in self.rules.items():
            grad[group] = {ours: rule.get_parameter(port).grad.numpy() for ours, port in rule.names().items()}
        return Window(torch.stack(losses, 1).detach().numpy(), grad)

    def evaluate(self, count: int) -> Arrays:
        """Episodes without a graph through the rule."""
        for _ in range(count):
            self.start()
            losses = [self.loss]
            for batch in self.problem.points(0, self.problem.workload.episode):
                with torch.no_grad():
                    params = self.update(self.params)
                params = {name: p.requires_grad_() for name, p in params.items()}
                loss = self.losses(params, batch)
                self.grad = self.gradient(loss, params, keep=False)
                losses.append(loss.detach())
                self.params = detached(params)
        return torch.stack(losses, 1).numpy()

    @torch.no_grad()
    def step(self, count: int) -> Arrays:
        """Steps of one LSTM on the gradients given, mirrored by the file's signs."""
        if self.stepped is None:
            self.stepped, (self.rule,) = with_gradients(self.problem), self.rules.values()
            self.state = self.rule.start(len(self.data["gradient"]))
        for _ in range(count):
            gradient = torch.cat([p.grad.flatten() for p in self.stepped.values()])
            update, self.state = self.rule(self.data["signs"] * gradient, self.state)
            pieces = (self.data["signs"] * update).split([p.numel() for p in self.stepped.values()])
            for p, piece in zip(self.stepped.values(), pieces, strict=True):
                p += piece.view_as(p)
        return flat(self.stepped)


def detached(params: Params) -> Params:
    """The same values, outside the graph."""
    return {name: p.detach() for name, p in params.items()}


SIDE = Ports
