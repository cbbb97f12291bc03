"""Pictures for those who only read: `python -m l2l_core.pictures` paints them and stores them small.

Photographs are scikit-learn's two samples, which no set of the experiment contains and anyone may show; paintings are
in the public domain. So a page can be redrawn where there is neither data nor network.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from l2l_core import kernel
from l2l_core.claims import RESULTS
from l2l_core.evaluation import generator
from l2l_core.gallery import PAINTINGS, painting, samples
from l2l_core.images import square, stored
from l2l_core.lbfgs import Descent, lbfgs
from l2l_core.paint import paint
from l2l_core.recipes.neural_art import NEURAL_ART
from l2l_core.rule import Rule
from l2l_core.rules import RULES
from l2l_core.store import read_json, write_json
from l2l_core.styles import NEW_STYLE, OTHER_NETWORK, STYLES, WARM
from l2l_core.tasks.neural_art import NeuralArt
from l2l_core.trials import Trial
from l2l_core.zoo import load_pretrained

PHOTOGRAPHS = {"temple": 0, "flower": 1}
"""Scikit-learn's sample photographs by name, and their places in `samples`."""


class Commission(NamedTuple):
    """Pictures of one trial: of which photographs, by which rules, after how many gradients."""

    trial: Trial
    photographs: tuple[str, ...]
    rules: tuple[str, ...]
    steps: tuple[int, ...] = (128,)


ALL = ("lstm", "adam", "lbfgs")
GRID = tuple(Commission(one, ("temple", "flower"), ALL, (8, 32, 128)) for one in (NEURAL_ART[0], *STYLES.values()))
"""Every photograph like every painting, as in the paper's Fig. 9."""
COMMISSIONS = (
    *GRID,
    Commission(NEW_STYLE, ("temple",), ALL),
    Commission(WARM, ("temple",), ("lstm",)),
    Commission(OTHER_NETWORK, ("temple",), ("lstm",)),
)
"""Everything that is stored, but for what equal seconds ask for."""


def easel_of(chosen: Trial, photograph: str) -> NeuralArt:
    """The task of a trial with one of `PHOTOGRAPHS` in place of its own."""
    task = chosen.task("test", "cpu")
    picture = square(samples()[PHOTOGRAPHS[photograph]], task.contents.shape[-1])
    return replace(task, contents=picture.unsqueeze(0), source="scikit-learn")


def painted(task: NeuralArt, rule: Rule | None, steps: Sequence[int]) -> dict[int, tuple[float, Tensor]]:
    """Loss and picture after so many gradients, from one and the same start; without a rule, by L-BFGS."""
    if rule is not None:
        strokes = paint(task, rule, max(steps), every=1)
        return {stroke.step: (stroke.loss, stroke.picture) for stroke in strokes if stroke.step in steps}
    found = _descent(task, steps)
    return {t: (float(found.losses[t]), point["picture"]) for t, point in found.points.items()}


def _descent(task: NeuralArt, steps: Sequence[int]) -> Descent:
    """L-BFGS from where `paint` begins."""
    gen = generator("paint", 0)
    problem = task.problem(0, gen)
    target = problem.batches(1, gen)[0]
    return lbfgs(lambda theta: problem.loss(theta, target), problem.params, max(steps), steps)


def hang(commissions: Sequence[Commission], rules: Callable[[Trial, str], Rule | None]) -> list[dict[str, Any]]:
    """All pictures of some commissions, each with what it shows; `rules(trial, name)` gives the rule, None L-BFGS."""
    entries = []
    for one in commissions:
        for photograph in one.photographs:
            task = easel_of(one.trial, photograph)
            for name in one.rules:
                for step, (loss, picture) in painted(task, rules(one.trial, name), one.steps).items():
                    facts = {"trial": one.trial.name, "photograph": photograph, "rule": name, "step": step}
                    entries.append({**facts, "loss": float(f"{loss:.4g}"), "file": stored(picture)})
                print(one.trial.name, photograph, name, flush=True)
    return entries


def clock(task: NeuralArt, rules: dict[str, Rule | None], lengths: tuple[int, int] = (10, 60)) -> dict[str, float]:
    """Processor seconds of one gradient and of the step it is for, by rule; None is L-BFGS, as in `painted`.

    What the longer of two runs takes more, over the gradients that it takes more, so that the problem's own making
    cancels. Of three rounds, in which the rules take turns, the smallest of either run.
    """

    def run(rule: Rule | None, length: int) -> tuple[float, int]:
        begun = process_time()
        if rule is None:
            made = _descent(task, (length,)).evaluated
        else:
            made = [*paint(task, rule, length, every=length)][-1].step
        return process_time() - begun, made

    rounds = [{name: [run(rule, n) for n in lengths] for name, rule in rules.items()} for _ in range(3)]
    found = {}
    for name in rules:
        (short, few), (long, many) = (min(one[name][k] for one in rounds) for k in (0, 1))
        found[name] = float(f"{(long - short) / (many - few):.3g}")
    return found


def main() -> None:
    """Paint with the shipped rule of the median meta-seed, at Adam's tuned rates, and write `pictures.json`."""
    torch.set_num_threads(1)
    home, learned = NEURAL_ART[0], load_pretrained("neural-art-lstm")

    def rules(chosen: Trial, name: str) -> Rule | None:
        if name == "adam":
            return RULES["adam"](read_json(RESULTS / chosen.name / "metrics.json")["baselines"]["adam"]["lr"])
        return learned if name == "lstm" else None

    with kernel.enabled():
        seconds = clock(easel_of(home, "temple"), {name: rules(home, name) for name in ALL})
        entries = hang(COMMISSIONS, rules)
        # as many steps as the learned rule's 128 take time
        for name in ("adam", "lbfgs"):
            steps = (max(1, round(128 * seconds["lstm"] / seconds[name])),)
            longer = [one._replace(rules=(name,), steps=steps) for one in GRID]
            entries += [{**entry, "equal": "seconds"} for entry in hang(longer, rules)]
    found = {"command": "python -m l2l_core.pictures", "rule": "neural-art-lstm", "seconds": seconds}
    found["paintings"] = {name: stored(painting(name, 128), 95) for name in PAINTINGS}
    path = Path("results") / home.name / "pictures.json"
    write_json(path, {**found, "pictures": entries})
    print(f"{path}: {len(entries)} pictures, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
