"""A run's cost is its windows and its validations, counted."""

from dataclasses import replace
from itertools import count

import pytest

from l2l_core import RECIPES
from l2l_core.__main__ import main
from l2l_core.cost import cost


def test_a_clock_that_ticks_once_a_look_gives_the_counts():
    """Looks at the clock: the start, one after every window; before and after the validation."""
    ticks = count()
    budget = replace(RECIPES["quadratic"].budget("smoke"), meta_steps=20, validate_every=10, restarts=3)
    thrice = replace(RECIPES["quadratic"], scales={"smoke": budget})
    found = cost(thrice, "smoke", seconds=3, clock=lambda: next(ticks))
    assert found.window == 3 / 2  # looks at 0 (start), 1, 2 (after windows), 3: enough
    assert found.validation == 1
    assert found.windows == 3 * 20
    assert found.validations == 3 * (1 + 2)  # one before the first step
    assert found.meta_seed == found.windows * found.window + found.validations


def test_a_window_keeps_two_layers_of_memory_a_gradient_and_a_parameter_for_every_coordinate_and_point():
    found = cost(RECIPES["quadratic"], "smoke", seconds=0)
    b, n, points = RECIPES["quadratic"].budget("smoke").b, 10, RECIPES["quadratic"].window + 1
    assert found.window_bytes == 4 * points * b * (n * (2 * 2 * 20 + 1 + 1) + 1)


def test_the_command_says_hours_or_minutes(capsys):
    main(["cost", "quadratic", "--device", "cpu"])
    said = capsys.readouterr().out
    assert "20 windows, 3 validations: " in said
    assert "minutes" in said


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="has no scale 'huge'"):
        cost(RECIPES["quadratic"], "huge")
