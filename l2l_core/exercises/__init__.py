"""Self-checks: what a reader's answer to an exercise of the book is worth, said at once.

`check("lstm-1", 21000)` prints whether that is right, or what is off. The right answers are worked out when they are
asked for, by the library or by brute force.
"""

from dataclasses import dataclass
from typing import Any

from l2l_core.exercises.experiments import CHECKS as EXPERIMENTS
from l2l_core.exercises.foundations import CHECKS as FOUNDATIONS
from l2l_core.exercises.pictures import CHECKS as PICTURES
from l2l_core.exercises.practice import CHECKS as PRACTICE

CHECKS = {**FOUNDATIONS, **EXPERIMENTS, **PICTURES, **PRACTICE}
"""By exercise, "<page>-<number>": a function from an answer to what is off in it, None where nothing is."""


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, which is also its truth value, and what was said about it."""

    right: bool
    text: str

    def __bool__(self) -> bool:
        return self.right

    def _ipython_display_(self) -> None:
        """Show nothing: `check` has already printed the text."""


def check(exercise: str, answer: Any) -> Verdict:
    """Print whether `answer` to an exercise ("unrolling-1") is right, or what is off in it; returns the same.

    The answer is a number, an array, a function, a rule or a task: the exercise says which. A function that fails is a
    wrong answer, with its error as the hint. Raises ValueError for an exercise without a self-check.
    """
    if exercise not in CHECKS:
        raise ValueError(f"no self-check {exercise!r}; there are {', '.join(CHECKS)}")
    try:
        hint = CHECKS[exercise](answer)
    except Exception as error:  # whatever the reader's own code raises is what there is to say about it
        hint = f"trying it out raised {type(error).__name__}: {error}"
    verdict = Verdict(hint is None, f"{exercise}: {'right.' if hint is None else f'not yet: {hint}'}")
    print(verdict.text)
    return verdict
