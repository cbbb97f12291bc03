"""Which steps of a curve are stored."""

from dataclasses import replace

import pytest

from l2l_core import recipe


@pytest.mark.parametrize(("horizon", "steps"), [(100, 3000), (777, 3000), (777, 10_001)])
def test_what_a_report_averages_at_the_horizon_and_at_the_end_is_stored(horizon, steps):
    trial = replace(recipe("mnist"), horizon=horizon, test_steps=steps, average=10)
    assert set(range(steps - 9, steps + 1)) <= set(trial.kept)
    assert set(range(horizon - 9, horizon + 1)) <= set(trial.kept)
    assert max(trial.kept) == steps
