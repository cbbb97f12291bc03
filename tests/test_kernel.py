"""The compiled kernel says what PyTorch says, on every shape of rule, and steps aside where it cannot be built."""

import pytest
import torch
from conformance import TASKS, assert_same, begun, phi_of, seeded
from rules.test_lstm import window

from l2l_core import CoordinatewiseLSTM, LogSign, kernel
from l2l_core.metagrad import draw, graph_free_window
from l2l_core.rules import Grouped, Reflected
from l2l_core.tree import map_tree, ravel


@pytest.fixture
def enabled():
    """The kernel in use for one test."""
    with kernel.enabled():
        if kernel.kernel_for(torch.zeros(1, 2), 2, 1) is None:
            pytest.skip("no C compiler here")
        yield


def step_and_pullback(rule, seen, states, upstream):
    phi, (signal, params) = phi_of(rule), seen[-1]
    with torch.no_grad():
        after = rule.update_many(phi, signal, states[-2], params)
    return after, rule.pullback(phi, seen, states, upstream)


def without_kernel(case):
    with kernel.enabled(False):
        return step_and_pullback(*case)


@pytest.mark.parametrize(("hidden", "depth"), [(2, 2), (20, 2), (5, 1), (3, 3), (33, 1)])
@pytest.mark.parametrize(("n", "b"), [(1, 1), (64, 1), (65, 3), (4999, 1)])
def test_it_is_pytorchs_in_float64(hidden, depth, n, b, enabled):
    case = window(n, 3, hidden, depth, b)
    assert_same(step_and_pullback(*case), without_kernel(case), rtol=1e-10, atol=1e-12)


LSTMS = {
    "one": lambda: CoordinatewiseLSTM(4, 2, features=LogSign(), scale=0.1),
    "reflected": lambda: Reflected(CoordinatewiseLSTM(4, 2, scale=0.1)),
    "in groups": lambda: Grouped(
        {"matrix": CoordinatewiseLSTM(4, 1, features=LogSign(), scale=0.1), "rest": CoordinatewiseLSTM(3, 2)},
        lambda name, shape: "matrix" if len(shape) > 1 else "rest",
    ),
}


@pytest.mark.parametrize("rule", LSTMS)
@pytest.mark.parametrize(("task", "b"), [("quadratic", 3), ("network", 1), ("network", 2)])
def test_meta_gradients_of_windows_that_carry_their_memory_are_pytorchs(rule, task, b, enabled):
    torch.manual_seed(0)
    unroll, carry, problems = begun(LSTMS[rule]().double(), TASKS[task](), b)
    phi = phi_of(unroll.rule)
    for k in range(3):
        data = draw(problems, 4, seeded(k))
        found, after = graph_free_window(unroll, phi, problems[0].loss, carry, data)
        with kernel.enabled(False):
            expected, after_theirs = graph_free_window(unroll, phi, problems[0].loss, carry, data)
        assert_same((found, after), (expected, after_theirs), rtol=1e-10, atol=1e-12)
        carry = after


def test_it_is_pytorchs_up_to_the_rounding_of_float32(enabled):
    rule, *case = window(3000, 5, 20, 2, 1)
    case = rule.float(), *map_tree(lambda x: x.float() if isinstance(x, torch.Tensor) else x, case)
    (update, state), grad = step_and_pullback(*case)
    (their_update, their_state), their_grad = without_kernel(case)
    assert_same((update, state), (their_update, their_state), rtol=1e-5, atol=2e-6)
    assert (ravel(grad) - ravel(their_grad)).norm() < 1e-4 * ravel(their_grad).norm()


def test_threads_share_its_work(enabled):
    case = window(9001, 3, 4, 2, 1)
    alone = step_and_pullback(*case)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert_same(step_and_pullback(*case), alone, rtol=1e-10, atol=1e-12)
    finally:
        torch.set_num_threads(threads)


def test_it_does_not_hide_what_is_not_a_number(enabled):
    rule, seen, states, upstream = window(70, 2, 3, 2, 1)
    seen[1][0].grad["x"][0, 3] = torch.nan
    update, after = step_and_pullback(rule, seen, states, upstream)[0]
    assert update["x"].isnan().nonzero().tolist() == [[0, 3]]
    assert all(s.isnan()[0].any(1).nonzero().tolist() == [[3]] for s in (*after.h, *after.c))


def test_what_it_cannot_serve_is_left_to_pytorch(enabled):
    assert kernel.kernel_for(torch.zeros(1, 2, dtype=torch.bfloat16), 2, 1) is None
    assert kernel.kernel_for(torch.zeros(1, 2), kernel.MOST_UNITS + 1, 1) is None
    assert kernel.kernel_for(torch.zeros(1, 2, device="meta"), 2, 1) is None


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_that_works_it_says_so_once_and_pytorch_goes_on(
    compiler, enabled, monkeypatch, tmp_path, capfd
):
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernel._kernel.cache_clear()
    try:
        for _ in range(2):
            assert kernel.kernel_for(torch.zeros(1, 2, dtype=torch.float64), 2, 2) is None
            step_and_pullback(*window(9, 2))
    finally:
        kernel._kernel.cache_clear()
    assert capfd.readouterr().err.count("No LSTM kernel") == 1
