"""What trained networks are worth on images that nobody trained on: `python -m l2l_core.heldout [TRIAL …]`."""

import sys
from pathlib import Path
from time import process_time
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from l2l_core import kernel
from l2l_core.catalogue import trial
from l2l_core.claims import RESULTS
from l2l_core.evaluation import evaluate, snapshots
from l2l_core.rule import Rule
from l2l_core.rules import RULES
from l2l_core.store import read_json, write_json
from l2l_core.tree import Params
from l2l_core.trials import Trial
from l2l_core.types import Task

MINIBATCH = 250
"""Images that are shown to a network at once; one that normalises over its minibatch minds."""
RUNS = 1
"""Runs on test problems, the first of those in the trial's curves: a network is scored on thousands of images."""


def score(task: Task, params: Params) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of one network on all whole minibatches of the task's images, in their order."""
    logits = [task.logits(params, pixels) for pixels in task.pixels.split(MINIBATCH) if len(pixels) == MINIBATCH]
    if not logits:
        raise ValueError(f"a set of {len(task.labels)} images has no minibatch of {MINIBATCH}")
    guesses = torch.cat(logits)
    labels = task.labels[: len(guesses)]
    return float(cross_entropy(guesses, labels)), float((guesses.argmax(1) == labels).double().mean())


def marks(steps: int) -> list[int]:
    """Where a run of so many steps is looked at: the start and ten times after it, evenly in the logarithm from 1 %."""
    return sorted({0, *(round(steps * 100 ** (k / 9 - 1)) for k in range(10))})


def watch(chosen: Trial, rule: Rule, horizon: int, runs: int = RUNS) -> dict[str, list[float]]:
    """Mean loss and accuracy over runs, on the images set aside for scoring, at `marks`.

    `horizon` is what rules with a schedule are told.
    """
    test, held_out = chosen.task("test", "cpu"), chosen.task("score", "cpu")
    points = snapshots(rule, test, runs, marks(chosen.test_steps), seed=f"{chosen.family}/test", horizon=horizon)
    with torch.no_grad():
        scores = torch.tensor([[score(held_out, params) for params in run] for run in points], dtype=torch.float64)
    return {name: _short(values) for name, values in zip(("loss", "accuracy"), scores.mean(0).T, strict=True)}


def seconds_a_step(chosen: Trial, rule: Rule, steps: int = 50) -> float:
    """Processor seconds of one step of one run, the network's gradient included; the smallest of three measurements."""
    times, task = [], chosen.task("test", "cpu")  # made before the clock starts: it copies the images
    for _ in range(3):
        begun = process_time()
        evaluate(rule, task, 1, steps, seed="time")
        times.append(process_time() - begun)
    return float(f"{min(times) / steps:.3g}")


def measure(chosen: Trial, metrics: dict[str, Any], runs: int = RUNS) -> dict[str, Any]:
    """`watch` and `seconds_a_step` for every meta-seed and for every tuned baseline in `metrics`.

    Raises ValueError if the meta-seeds or the images that there are are not those in `metrics`.
    """
    source = chosen.task("score", "cpu").source
    if source != metrics["data"]:
        raise ValueError(f"the results of {chosen.name!r} are on {metrics['data']}, the images here are {source}")
    rules, out = {}, Path("runs") / chosen.name / "paper"
    for name, entry in metrics["baselines"].items():
        if "rule" in entry:
            rules[name] = RULES[entry["rule"]](entry["lr"]), entry["horizon"]
    finished = chosen.finished("paper", out)
    found, tested = [facts["validation"] for _, facts in finished], [seed["validation"] for seed in metrics["seeds"]]
    if found != tested:
        raise ValueError(f"the rules of {chosen.name!r} are not those in its results: they score {found}, not {tested}")
    for rule, facts in finished:
        rules[f"seed {facts['seed']}"] = rule, chosen.horizon
    measured = {}
    with kernel.enabled():
        for name, (rule, horizon) in rules.items():
            measured[name] = watch(chosen, rule, horizon, runs) | {"seconds": seconds_a_step(chosen, rule)}
    return {"recipe": chosen.name, "runs": runs, "steps": marks(chosen.test_steps), "rules": measured}


def _short(values: Tensor) -> list[float]:
    return [float(f"{value:.4g}") for value in values.tolist()]


def main(names: list[str]) -> None:
    """Measure the trials named and write `results/TRIAL/heldout.json`."""
    torch.set_num_threads(1)
    for name in names or ["cifar", "cifar-5", "cifar-2"]:
        metrics = read_json(RESULTS / name / "metrics.json")
        path = Path("results") / name / "heldout.json"
        write_json(path, {"command": f"python -m l2l_core.heldout {name}", **measure(trial(name), metrics)})
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
