"""`python -m l2l_core.playground`: what the race in the page reads, and the picture that stands in its place.

The page runs trained rules in plain JavaScript (`book/_static/race/engine.js`), without a network and without a
kernel. So weights, surfaces and learning rates are written into a script: from the zoo, from `races.COURSES` and from
`results/`.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2l_core.claims import RESULTS
from l2l_core.features import LogSign
from l2l_core.plotting import COLOURS
from l2l_core.races import COURSES, Course
from l2l_core.rule import Rule
from l2l_core.rules import RULES, CoordinatewiseLSTM
from l2l_core.store import read_json, write_atomically
from l2l_core.tasks.surfaces import Surface
from l2l_core.types import Signal
from l2l_core.zoo import card, load_pretrained

LEARNED = {"lstm": "surfaces-lstm", "quadratic": "quadratic-lstm"}
"""The rules in the race that were trained, by the names that the page gives them."""

RIVALS = ("adam", "rmsprop", "momentum", "sgd")
"""The others."""

PICTURED = "valley"
"""The race that a page begins with, and that is drawn for those without JavaScript."""


def exported(rule: CoordinatewiseLSTM) -> dict[str, Any]:
    """The rule as the page reads it: its settings, and its weights as little-endian float32 numbers in base64.

    They stand layer after layer (W, U, b, gates in PyTorch's order, row after row), then the read-out's w and b.
    """
    weights = b"".join(w.detach().float().numpy().astype("<f4").tobytes() for w in rule.parameters())
    p = rule.features.p if isinstance(rule.features, LogSign) else None
    shape = {"hidden": rule.cells[0].hidden, "depth": len(rule.cells)}
    return {**shape, "p": p, "scale": rule.scale, "weights": base64.b64encode(weights).decode()}


def described(function: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Any]:
    """The surface as the page reads it: its kind, and the numbers of one of the family."""
    return {"kind": "family", **asdict(function)} if isinstance(function, Surface) else {"kind": function.__name__}


def data() -> dict[str, Any]:
    """All that the race reads."""
    courses = {name: _course(course, f"surfaces-{name}") for name, course in COURSES.items()}
    fresh = {"title": "A fresh random surface", "noise": 0.0, "unlike": ""}
    return {
        "rules": {name: exported(load_pretrained(shipped)) for name, shipped in LEARNED.items()},
        "courses": {**courses, "random": {**fresh, **_tested("surfaces")}},
        "first": PICTURED,
        "colours": {name: COLOURS[name] for name in ("lstm", *RIVALS)},
    }


def _course(course: Course, trial: str) -> dict[str, Any]:
    facts = {key: getattr(course, key) for key in ("title", "window", "start", "minimum", "noise", "unlike")}
    return {**facts, "surface": described(course.function), **_tested(trial)}


def _tested(trial: str) -> dict[str, Any]:
    """Tuned learning rates, and the median loss at step 100 over the trial's test problems, or how many diverged."""
    metrics = read_json(RESULTS / trial / "metrics.json")
    rates = {name: float(f"{metrics['baselines'][name]['lr']:.3g}") for name in RIVALS}
    shipped = card(LEARNED["lstm"])["seed"]
    (learned,) = (seed for seed in metrics["seeds"] if seed["seed"] == shipped)
    racers = {"lstm": learned, **{name: metrics["baselines"][name] for name in RIVALS}}
    tested = {
        "starts": metrics["problems"]["test"],
        "diverged": {name: racer["diverged"] for name, racer in racers.items() if racer["diverged"]},
        # there is no median of runs of which some diverged
        "losses": {name: one["at"]["100"]["median"] for name, one in racers.items() if not one["diverged"]},
    }
    return {"rates": rates, "tested": tested}


def walk(rule: Rule, function: Callable[[Tensor, Tensor], Tensor], start: Any, steps: int) -> tuple[Tensor, Tensor]:
    """Where `rule` goes from `start` on a surface, in float64: points `[t+1, 2]` and losses `[t+1]`."""
    rule, theta = rule.double(), {"theta": torch.tensor(start, dtype=torch.float64)}
    state, points, losses = rule.init(theta), [theta["theta"]], []
    for step in range(steps + 1):
        grad, loss = torch.func.grad_and_value(lambda p: function(*p["theta"]))(theta)
        losses.append(loss)
        if step < steps:
            with torch.no_grad():
                update, state = rule.update(Signal(grad, loss, step, steps), state, theta)
            theta = {"theta": theta["theta"] + update["theta"]}
            points.append(theta["theta"])
    return torch.stack(points), torch.stack(losses)


def write_picture(path: Path, content: dict[str, Any], name: str = PICTURED, steps: int = 100) -> None:
    """Draw the race `name`, at the rates tuned on random surfaces, into an SVG file: paths on the map, and losses."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from l2l_core.plotting import GREY, colour, curves, svg, use_style

    use_style()
    course, rates = COURSES[name], content["courses"]["random"]["rates"]
    racers = {"lstm": load_pretrained(LEARNED["lstm"]), **{rival: RULES[rival](rates[rival]) for rival in RIVALS}}
    runs = {racer: walk(rule, course.function, course.start, steps) for racer, rule in racers.items()}
    fig, (chart, losses) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=(1, 1.1))
    x, y = (torch.linspace(*side, 200, dtype=torch.float64) for side in course.window)
    heights = torch.vmap(torch.vmap(course.function, (0, None)), (None, 0))(x, y)
    chart.contour(x, y, heights.clamp_min(1e-9).log(), 14, colors=GREY, linewidths=0.5, alpha=0.6, linestyles="solid")
    for racer, (points, _) in runs.items():
        chart.plot(*points.T, color=colour(racer), marker=".", markersize=3, linewidth=1.2)
    chart.plot(*course.minimum, marker="+", color=GREY, markersize=10)
    chart.set(title=f"{course.title}: {steps} steps", xlim=course.window[0], ylim=course.window[1], aspect="equal")
    losses.set(yscale="log", xlabel="step", title="loss")
    curves(losses, {racer: values for racer, (_, values) in runs.items()})
    write_atomically(path, svg(fig).encode())
    plt.close(fig)


def script(content: dict[str, Any]) -> str:
    """The script that the page loads: every entry of `content` as an object, a line for each of its parts."""
    lines = ["// Written by python -m l2l_core.playground; do not edit.", "globalThis.L2LRaceData = {};"]
    for key, value in content.items():
        parts = value.items() if isinstance(value, dict) else ()
        lines += [f"L2LRaceData.{key} = {{}};"] if parts else [f"L2LRaceData.{key} = {_json(value)};"]
        lines += [f"L2LRaceData.{key}.{name} = {_json(part)};" for name, part in parts]
    return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def write(static: Path) -> None:
    """Write `race/data.js` and `race/race.svg` into the book's folder of static files."""
    content = data()
    write_atomically(static / "race" / "data.js", script(content).encode())
    write_picture(static / "race" / "race.svg", content)


if __name__ == "__main__":
    torch.set_num_threads(1)
    write(Path(__file__).parents[1] / "book" / "_static")
