"""What needs CUDA: every recipe at smoke scale, agreement with the CPU, resume to the bit."""

from dataclasses import replace

import pytest
import torch
from conformance import EVERY_RECIPE, EVERY_RULE, HORIZON, TASKS, assert_same, begun, make, phi_of, seeded

from l2l_core import RuleOptimizer, evaluate, meta_train, recipe
from l2l_core.experiment import train_meta_seed
from l2l_core.metagrad import autograd_window, draw, graph_free_window
from l2l_core.recipes import fresh_rule
from l2l_core.store import load_tensors
from l2l_core.tree import to

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
every_recipe = pytest.mark.parametrize("name", EVERY_RECIPE)
every_rule = pytest.mark.parametrize("name", EVERY_RULE)


@pytest.fixture(autouse=True)
def _deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def cpu_and_cuda(name):
    """A recipe's rule and tasks on both devices."""
    one = recipe(name)
    return [(fresh_rule(one, 0).to(device), one.task("validation", device)) for device in ("cpu", "cuda")]


@every_recipe
def test_every_recipe_trains_at_smoke_scale(name, tmp_path):
    phi = train_meta_seed(recipe(name), "smoke", 0, tmp_path, device="cuda", progress=False)
    assert all(w.isfinite().all() and w.is_cuda for w in phi.values())
    assert load_tensors(tmp_path / "seed0" / "phi.safetensors")[1]["recipe"] == name


@every_recipe
def test_curves_agree_with_the_cpus(name):
    cpu, cuda = (evaluate(rule, task, 2, 20, seed="both") for rule, task in cpu_and_cuda(name))
    assert cuda.is_cuda
    torch.testing.assert_close(cuda.cpu(), cpu, rtol=2e-3, atol=1e-4)


@every_rule
def test_meta_gradients_agree_with_the_cpus_in_float64(name):
    # a quadratic, all of whose data travel in its minibatches
    unroll, carry, problems = begun(make(name), TASKS["quadratic"](), b=3)
    phi, data = phi_of(unroll.rule), draw(problems, HORIZON, seeded(3))
    loss = problems[0].loss
    cpu, _ = graph_free_window(unroll, phi, loss, carry, data)
    phi, carry, data = to((phi, carry, data), "cuda")
    for window in (graph_free_window, autograd_window):
        cuda, _ = window(unroll, phi, loss, carry, data)
        assert_same(to(cuda, "cpu"), cpu, rtol=1e-8, atol=1e-10)


@every_recipe
def test_a_run_that_is_stopped_and_resumed_ends_with_the_same_bits(name, tmp_path):
    one = recipe(name)

    def trained(meta_steps, out):
        rule = fresh_rule(one, 0)
        training = replace(one.training("smoke", 0.01), meta_steps=meta_steps, validate_every=2)
        estimator = one.estimator(rule, "smoke", "cuda")
        return meta_train(rule, estimator, one.validation(rule, "smoke", "cuda"), training, out=out, device="cuda")

    whole = trained(4, tmp_path / "whole")
    trained(3, tmp_path / "parts")
    resumed = trained(4, tmp_path / "parts")
    assert_same(resumed.phi, whole.phi)
    one, other = (load_tensors(tmp_path / part / "checkpoint.safetensors")[0] for part in ("whole", "parts"))
    assert_same(one, other)


@every_rule
def test_the_torch_optimizer_drives_a_module_on_cuda_as_on_the_cpu(name):
    def trained(device):
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 2).double().to(device)
        x = torch.randn(8, 3, dtype=torch.float64, generator=seeded(1)).to(device)
        optimizer = RuleOptimizer(net.named_parameters(), make(name).to(device), horizon=9)
        for _ in range(5):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
        resumed = RuleOptimizer(net.named_parameters(), make(name).to(device), horizon=9)
        resumed.load_state_dict(optimizer.state_dict())
        resumed.step()
        return [p.detach().cpu() for p in net.parameters()]

    assert_same(trained("cuda"), trained("cpu"), rtol=1e-8, atol=1e-10)
