"""The compiled kernel says what PyTorch says, on every shape of rule, and steps aside where it cannot be built."""

import os
from pathlib import Path

import pytest
import torch
from conformance import TASKS, assert_same, begun, phi_of, run_python, seeded
from rules.test_lstm import window

from l2l_core import CoordinatewiseLSTM, LogSign, evaluate, kernel
from l2l_core.arithmetic import denormals_flushed
from l2l_core.lstm_blocks import Memory, Weights, lstm_step
from l2l_core.metagrad import draw, graph_free_window
from l2l_core.rules import Grouped, Reflected
from l2l_core.tasks import Quadratic
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_gates_are_right_for_arguments_of_any_size(dtype, enabled):
    """One unit whose output gate alone sees x, the others being open: h = σ(x) · tanh 1."""
    x = torch.cat([torch.linspace(-40, 40, 4001), torch.tensor([-1e30, 0, 1e30])]).to(dtype)
    rows = [[0, 0, 40], [0, 0, 40], [1, 0, 0], [0, 0, 40]]  # i, f, o, c̃: from x, from h, bias
    weights = Weights([torch.tensor(rows, dtype=dtype)], torch.tensor([1, 0], dtype=dtype))
    nothing = torch.zeros(1, len(x), dtype=dtype)
    update, _ = lstm_step(weights, x.unsqueeze(1), Memory([nothing], [nothing]))
    expected = torch.sigmoid(x.double()) * torch.tanh(torch.ones(1, dtype=torch.float64))
    torch.testing.assert_close(update.double(), expected, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-14)


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


@pytest.mark.parametrize(("weights", "task"), [(torch.float32, torch.float64), (torch.float64, torch.float32)])
def test_weights_of_another_precision_are_refused_and_not_read_as_something_else(weights, task, enabled):
    rule, problems = CoordinatewiseLSTM(4, 1).to(weights), Quadratic(3, dtype=task)
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        evaluate(rule, problems, 2, 3)
    _, *case = window(9, 2, 4, 2)
    rule, case = CoordinatewiseLSTM(4, 2, features=LogSign()), map_tree(_cast(task), case)
    with pytest.raises(RuntimeError, match="dtype"):
        rule.to(weights).pullback(phi_of(rule), *case)


def _cast(dtype):
    return lambda leaf: leaf.to(dtype) if isinstance(leaf, torch.Tensor) else leaf


def test_weights_and_memories_of_other_sizes_are_refused(enabled):
    rule, seen, states, upstream = window(9, 2, 4, 2)
    other = phi_of(CoordinatewiseLSTM(7, 2, features=LogSign()).double())
    with pytest.raises(RuntimeError, match=r"size|shape"):
        rule.pullback(other, seen, states, upstream)
    short = map_tree(lambda s: s[:, :5], states)
    with pytest.raises(RuntimeError, match=r"size|shape"):
        rule.pullback(phi_of(rule), seen, short, upstream)
    with torch.no_grad(), pytest.raises((RuntimeError, ValueError), match=r"size|shape|longer|shorter"):
        rule.update_many(phi_of(rule), seen[0][0], short[0], seen[0][1])


@pytest.mark.parametrize("first", [False, True], ids=["threads begun without", "threads begun with"])
def test_every_thread_flushes_denormal_numbers_where_its_caller_does(first, enabled):
    """What flows back to the cells is upstream times read-out, 1e-40: a number, or nothing at all."""
    rule, *case = window(9001, 1, 2, 1, 1)
    rule, (seen, states, _) = rule.float(), map_tree(_cast(torch.float32), case)
    torch.nn.init.constant_(rule.readout.weight, 1e-20)

    def gradient():
        upstream = [{"x": torch.full((1, 9001), 1e-20 / rule.scale)}]
        return rule.pullback(phi_of(rule), seen, states, upstream)["cells.0.bias"].abs().max()

    def flushed():
        with denormals_flushed():
            return gradient()

    alone = gradient()
    assert 0 < alone < 1e-36
    kernel._pool.cache_clear()
    torch.set_num_threads(2)
    for flush in (first, not first, first):
        torch.testing.assert_close(flushed() if flush else gradient(), 0 * alone if flush else alone, rtol=1e-3, atol=0)


FORKED = """
import os, signal, sys, torch
from l2l_core import kernel
from l2l_core.lstm_blocks import Memory, Weights, lstm_step
n, torch_threads = 5000, torch.set_num_threads(2)
weights = Weights([torch.ones(8, 5)], torch.ones(3))
memory = Memory([torch.zeros(2, n)], [torch.zeros(2, n)])
with kernel.enabled():
    before, _ = lstm_step(weights, torch.ones(n, 2), memory)
    if child := os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    signal.alarm(20)
    after, _ = lstm_step(weights, torch.ones(n, 2), memory)
    os._exit(0 if after.equal(before) else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_forked_process_has_threads_of_its_own(enabled):
    done = run_python("-c", FORKED)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_it_cannot_serve_is_left_to_pytorch(enabled):
    assert kernel.kernel_for(torch.zeros(1, 2, dtype=torch.bfloat16), 2, 1) is None
    assert kernel.kernel_for(torch.zeros(1, 2), kernel.MOST_UNITS + 1, 1) is None
    assert kernel.kernel_for(torch.zeros(1, 2, device="meta"), 2, 1) is None


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A machine on which no kernel was built yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernel._kernel.cache_clear()
    yield tmp_path / "l2l" / "kernels"
    kernel._kernel.cache_clear()


def tiny():
    return kernel.kernel_for(torch.zeros(1, 1), 1, 1)


def test_a_library_that_was_cut_off_is_built_again(enabled, fresh, monkeypatch, capfd):
    monkeypatch.setattr(kernel, "_fingerprint", lambda command: "cut-off")
    fresh.mkdir(parents=True)
    (fresh / "lstm-cut-off.so").write_bytes(b"\x7fELF")
    assert tiny() is not None
    assert capfd.readouterr().err.count("LSTM kernel built") == 1
    assert [path.name for path in fresh.iterdir()] == ["lstm-cut-off.so"]


def test_a_compiler_may_come_with_options_of_its_own(enabled, fresh, monkeypatch):
    monkeypatch.setenv("CC", "cc -DNOTHING=1")
    assert tiny() is not None


def test_without_a_home_pytorch_goes_on(enabled, fresh, monkeypatch, capfd):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    assert tiny() is not None  # the cache is named, and no home needed
    monkeypatch.setattr(Path, "home", homeless)
    kernel._kernel.cache_clear()
    assert tiny() is not None
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    kernel._kernel.cache_clear()
    assert tiny() is None
    assert "No LSTM kernel" in capfd.readouterr().err


def test_a_build_that_fails_leaves_nothing(enabled, fresh, monkeypatch):
    monkeypatch.setattr(kernel, "FLAGS", ["-no-such-option"])
    assert tiny() is None
    assert list(fresh.iterdir()) == []


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
