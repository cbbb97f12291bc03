"""The surfaces of the race in the page, each a trial of the rules of `surfaces` beside rivals tuned on that surface."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

from torch import Tensor

from l2l_core.recipes import recipe
from l2l_core.tasks.surfaces import Landscape, Surface, beale, rosenbrock
from l2l_core.transfers import Transfer
from l2l_core.trials import Problems

Window = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Course:
    """A surface that is raced on: its function, the part of the plane that is shown, and the start of the first race.

    `unlike` says in what it differs from everything in meta-training; it is empty for a surface like those.
    """

    title: str
    function: Callable[[Tensor, Tensor], Tensor]
    window: Window
    start: tuple[float, float]
    minimum: tuple[float, float]
    noise: float = 0.0
    unlike: str = ""


SQUARE: Window = ((-3.0, 3.0), (-3.0, 3.0))
CENTRE = (0.6, -0.4)

COURSES: dict[str, Course] = {
    "bowl": Course("Quadratic bowl", Surface(0.5, 20.0, pi / 6, centre=CENTRE), SQUARE, (-2.2, 1.2), CENTRE),
    "funnel": Course("Funnel", Surface(0.5, 10.0, -pi / 5, wall=0.4, centre=CENTRE), SQUARE, (-2.0, 2.2), CENTRE),
    "valley": Course("Winding valley", Surface(0.5, 60.0, 0.2, bend=0.8, centre=CENTRE), SQUARE, (-2.3, 1.6), CENTRE),
    "noisy": Course(
        "Noisy bowl",
        Surface(0.5, 5.0, pi / 6, centre=CENTRE),
        SQUARE,
        (-2.2, 1.2),
        CENTRE,
        noise=0.3,
        unlike="Meta-training had no noise; here every gradient carries some.",
    ),
    "rosenbrock": Course(
        "Rosenbrock",
        rosenbrock,
        ((-2.0, 2.0), (-1.0, 3.0)),
        (-1.2, 1.0),
        (1.0, 1.0),
        unlike="Rosenbrock's function was held out from meta-training.",
    ),
    "beale": Course(
        "Beale",
        beale,
        ((0.75, 3.75), (-1.5, 1.5)),
        (1.0, -1.0),
        (3.0, 0.5),
        unlike="Beale's function was held out from meta-training.",
    ),
}
"""Every surface that the page offers, besides random ones of the task itself."""


RATES: dict[str, dict[str, float]] = {
    "bowl": {"sgd": 2.6, "momentum": 0.4, "rmsprop": 0.25, "adam": 0.45},
    "funnel": {"sgd": 2.6, "momentum": 0.08, "rmsprop": 0.05, "adam": 0.45},
    "valley": {"sgd": 1.2, "momentum": 0.01, "rmsprop": 0.08, "adam": 1.0},
    "noisy": {"sgd": 0.2, "momentum": 0.02, "rmsprop": 0.05, "adam": 0.09},
    "rosenbrock": {"sgd": 0.0002, "momentum": 0.00005, "rmsprop": 0.17, "adam": 0.7},
    "beale": {"sgd": 0.006, "momentum": 0.002, "rmsprop": 0.05, "adam": 0.3},
}
"""Where tuning starts."""


def _trial(name: str, course: Course) -> Transfer:
    source = recipe("surfaces")
    return Transfer(
        name=f"surfaces-{name}",
        family=f"surfaces-{name}",
        source=source.name,
        summary=f"The rules of `surfaces` on one surface: {course.title}",
        task=lambda split, device: Landscape(course.function, course.window, course.noise, device=device),
        horizon=source.horizon,
        test_steps=source.horizon,
        scales={
            "smoke": Problems(tuning_problems=0, test_problems=4),
            "paper": Problems(tuning_problems=100, test_problems=500),
        },
        baselines=RATES[name],
    )


RACES: dict[str, Transfer] = {f"surfaces-{name}": _trial(name, course) for name, course in COURSES.items()}
"""A trial a surface."""
