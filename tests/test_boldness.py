"""A rule's updates, all multiplied: a gradient step c times as large is a step at c times the rate."""

from types import SimpleNamespace

import pytest
import torch

from l2l_core import boldness, evaluate, load_pretrained, trial
from l2l_core.boldness import main, measure, multiplied
from l2l_core.evaluation import at
from l2l_core.rules import SGD, Adam, Scheduled, cosine
from l2l_core.store import read_json
from l2l_core.tasks import Quadratic
from l2l_core.zoo import meta_seeds

TASK = Quadratic(4, start_std=1.0)


def small():
    """As much of a trial as is read, of two units a loss."""
    settings = {"test_steps": 50, "horizon": 40, "average": 2, "unit": 0.5, "family": "bold"}
    return SimpleNamespace(task=lambda split, device: {"test": TASK}[split], **settings)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("rule", [SGD, Adam])
def test_multiplied_updates_are_those_of_a_multiplied_rate(rule, factor):
    """Adam's too, though it remembers: what it remembers are gradients, not its steps."""
    ours = evaluate(multiplied(rule(0.002), factor), TASK, 3, 40, seed="bold")
    torch.testing.assert_close(ours, evaluate(rule(0.002 * factor), TASK, 3, 40, seed="bold"))


def test_losses_are_those_of_the_trials_first_test_problems_a_row_a_factor():
    found = measure(small(), Scheduled(SGD(0.004), cosine), (1.0, 2.0), runs=3)
    assert found["factors"] == [1.0, 2.0]
    assert found["steps"][-1] == 50
    assert min(found["steps"]) >= 2  # before it there are too few steps to average
    for rate, row in zip((0.004, 0.008), found["loss"], strict=True):
        curves = evaluate(Scheduled(SGD(rate), cosine), TASK, 3, 50, seed="bold/test", horizon=40)
        assert row == pytest.approx([0.5 * float(at(curves, t, 2).mean()) for t in found["steps"]], rel=1e-3)


def test_the_first_meta_seed_of_a_recipe_is_measured_and_its_file_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(boldness, "measure", lambda *given: asked.append(given) or {"runs": 2})
    main(["quadratic"])
    ((chosen, rule),) = asked
    assert chosen.name == "quadratic"
    first = meta_seeds("quadratic")[0]
    expected = load_pretrained(first).state_dict()
    assert all(w.equal(expected[name]) for name, w in rule.state_dict().items())
    path = capsys.readouterr().out.strip()
    assert path == "results/quadratic/boldness.json"
    command = "python -m l2l_core.boldness quadratic"
    assert read_json(tmp_path / path) == {"command": command, "rule": first, "runs": 2}


def test_a_trial_of_rules_that_come_from_elsewhere_is_refused():
    with pytest.raises(ValueError, match="'mnist-relu' is a trial of another recipe's rules"):
        main([trial("mnist-relu").name])


def test_a_recipe_without_a_rule_in_the_package_says_what_to_do(monkeypatch):
    monkeypatch.setattr(boldness, "meta_seeds", lambda name: [])
    with pytest.raises(ValueError, match="no rule of 'quadratic' is in the package; promote it first"):
        main(["quadratic"])
