"""The same work in JAX: a window is one jitted function (`scan`, `value_and_grad` over φ), an evaluation another (for
a convnet, five steps of one).

First order by `stop_gradient`. The gradient of each loss is computed once: what the meta-gradient needs of f(θ_t) is
the product of ∇f(θ_t), held constant, with θ_t. Of the layouts tried on a CPU, coordinates as columns and one matrix a
layer were fastest, and in the backward pass computing a cell again was faster than storing what it had computed.
"""

from functools import partial
from math import exp

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.problem import Arrays, Problem
from benchmarks.sides import Window
from benchmarks.workloads import WINDOWS, Workload

jax.devices()  # a backend is part of what importing takes

Params = dict[str, jax.Array]
P = 10.0


def features(workload: Workload, gradient: jax.Array) -> jax.Array:
    """∇ `[n]` to `[f, n]`: itself, or its magnitude and sign."""
    if workload.features == "raw":
        return gradient[None]
    size = jnp.abs(gradient)
    large = size >= exp(-P)
    first = jnp.where(large, jnp.log(jnp.maximum(size, exp(-P))) / P, -1.0)
    return jnp.stack([first, jnp.where(large, jnp.sign(gradient), gradient * exp(P))])


def fuse(phi: Params, depth: int) -> Params:
    """Both matrices of each layer as one, which a step multiplies with [x; h]."""
    whole = {k: jnp.concatenate([phi[f"cells.{k}.weight_ih"], phi[f"cells.{k}.weight_hh"]], 1) for k in range(depth)}
    return {"w": whole, "b": {k: phi[f"cells.{k}.bias"][:, None] for k in range(depth)}}


@jax.checkpoint
def cell(w: jax.Array, b: jax.Array, x: jax.Array, h: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One layer of the LSTM on all coordinates: x `[f, n]`, h and c `[hidden, n]`."""
    i, f, g, o = jnp.split(w @ jnp.concatenate([x, h]) + b, 4)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def lstm(workload: Workload, phi: Params, gradient: jax.Array, state: list) -> tuple[jax.Array, list]:
    """∇ `[n]` to g `[n]`."""
    x, after, fused = features(workload, gradient), [], fuse(phi, workload.depth)
    for layer, (h, c) in enumerate(state):
        after.append(cell(fused["w"][layer], fused["b"][layer], x, h, c))
        x = after[-1][0]
    return workload.scale * (phi["readout.weight"][0] @ x + phi["readout.bias"]), after


def losses(workload: Workload, params: Params, data: Params, batch: jax.Array) -> jax.Array:
    """f of all optimizees `[b]`."""
    if workload.family == "quadratic":
        residual = jnp.einsum("bij,bj->bi", data["w"], params["theta"]) - data["y"]
        return jnp.square(residual).sum(1)
    if workload.family == "bowl":
        return 0.5 * jnp.square(params["theta"] - data["y"]).sum()[None]
    logits = (convnet if workload.family == "convnet" else mlp)(params, data["images"][batch].astype(jnp.float32) / 255)
    labels = data["labels"][batch][:, None]
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels, 1).mean()[None]


def mlp(params: Params, x: jax.Array) -> jax.Array:
    """Logits of a fully connected network with sigmoids."""
    last = len(params) // 2 - 1
    for layer in range(last + 1):
        x = x @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]
        x = jax.nn.sigmoid(x) if layer < last else x
    return x


def convnet(params: Params, x: jax.Array) -> jax.Array:
    """Logits of three 5×5 convolutions, each followed by 2×2 max-pooling, and two linear layers."""
    x = x.transpose(0, 2, 3, 1)
    for layer in "012":
        w = params[f"{layer}.weight"].transpose(2, 3, 1, 0)
        x = jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        n, height, width, c = x.shape
        x = (x + params[f"{layer}.bias"]).reshape(n, height // 2, 2, width // 2, 2, c).max((2, 4))
        x = jax.nn.relu(x)
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    x = jax.nn.relu(x @ params["3.weight"].T + params["3.bias"])
    return x @ params["4.weight"].T + params["4.bias"]


class Jax:
    """See `Side`."""

    def __init__(self, problem: Problem):
        self.problem, self.workload, self.groups = problem, problem.workload, problem.groups
        self.phi = jax.tree.map(jnp.asarray, problem.phi)
        self.data = {name: jnp.asarray(d) for name, d in problem.data.items()}
        self.theta = {name: jnp.asarray(p) for name, p in problem.params.items()}
        self.carry, self.at = None, WINDOWS * self.workload.window
        # XLA's convolutions are ten times slower within a loop on a CPU: there is none around them
        self.scan = partial(jax.lax.scan, unroll=self.workload.family == "convnet")
        self.jit_start = jax.jit(self._start)
        self.jit_window = jax.jit(jax.value_and_grad(self._window, has_aux=True), donate_argnums=1)
        self.jit_piece = jax.jit(self._piece, donate_argnums=1)

    def train(self, count: int) -> Window:
        """Windows, each one call."""
        window = self.workload.window
        for _ in range(count):
            if self.at >= WINDOWS * window:
                self.carry, self.at = self.jit_start(self.theta, self.data, self._points(-1, 1)[0]), 0
            points = self._points(self.at, window)
            (_, (found, self.carry)), grad = self.jit_window(self.phi, self.carry, self.data, points)
            self.at += window
        return Window(np.asarray(found), jax.tree.map(np.asarray, grad))

    def evaluate(self, count: int) -> Arrays:
        """Episodes, each one call."""
        piece = 5 if self.workload.family == "convnet" else self.workload.episode
        for _ in range(count):
            carry = self.jit_start(self.theta, self.data, self._points(-1, 1)[0])
            found = [carry[3][None].copy()]
            for done in range(0, self.workload.episode, piece):
                losses, carry = self.jit_piece(self.phi, carry, self.data, self._points(done, piece))
                found.append(losses)
            curves = np.concatenate(found).T
        return curves

    def _points(self, first: int, steps: int) -> jax.Array:
        return jnp.asarray(self.problem.points(first, steps))

    def _value_and_grad(self, params: Params, data: Params, batch: jax.Array) -> tuple[jax.Array, Params]:
        def total(params: Params) -> tuple[jax.Array, jax.Array]:
            each = losses(self.workload, params, data, batch)
            return each.sum(), each

        grad, each = jax.grad(total, has_aux=True)(params)
        return each, grad

    def _start(self, params: Params, data: Params, batch: jax.Array) -> tuple:
        loss, grad = self._value_and_grad(params, data, batch)
        states = {}
        for group, names in self.groups.items():
            zeros = jnp.zeros((self.workload.hidden, sum(params[name].size for name in names)))
            states[group] = [(zeros, zeros)] * self.workload.depth
        return params, grad, states, loss

    def _step(self, phi: dict[str, Params], data: Params, carry: tuple, batch: jax.Array) -> tuple[tuple, tuple]:
        params, grad, states, _ = carry
        after, memory = {}, {}
        for group, names in self.groups.items():
            gradient = jnp.concatenate([grad[name].ravel() for name in names])
            step, memory[group] = lstm(self.workload, phi[group], gradient, states[group])
            pieces = jnp.split(step, np.cumsum([params[name].size for name in names])[:-1])
            after |= {name: params[name] + g.reshape(params[name].shape) for name, g in zip(names, pieces, strict=True)}
        loss, grad = self._value_and_grad(jax.lax.stop_gradient(after), data, batch)
        loss, grad = jax.lax.stop_gradient((loss, grad))
        linear = sum((grad[name] * after[name]).sum() for name in after)
        return (after, grad, memory, loss), (loss, linear)

    def _window(self, phi: dict[str, Params], carry: tuple, data: Params, points: jax.Array) -> tuple:
        first = carry[3]
        carry, (found, linear) = self.scan(partial(self._step, phi, data), carry, points)
        return linear.sum() / len(first), (jnp.concatenate([first[None], found]).T, carry)

    def _piece(self, phi: dict[str, Params], carry: tuple, data: Params, points: jax.Array) -> tuple[jax.Array, tuple]:
        carry, (found, _) = self.scan(partial(self._step, phi, data), carry, points)
        return found, carry


SIDE = Jax
