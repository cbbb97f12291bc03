"""Pictures that are stored: of which photographs, after how many gradients, and small."""

import os

import pytest
import torch
from conformance import seeded, small_lstm

from l2l_core import LogSign, recipe, trial
from l2l_core.gallery import samples
from l2l_core.images import loaded, square
from l2l_core.paint import canvas
from l2l_core.pictures import COMMISSIONS, PHOTOGRAPHS, Commission, clock, easel_of, hang, painted
from l2l_core.rules import SGD, Adam
from l2l_core.styles import WARM
from l2l_core.tasks.neural_art import FromPhotograph

needs_data = pytest.mark.skipif(not os.environ.get("L2L_DATA"), reason="L2L_DATA is not set: no perceptual network")


@pytest.fixture(scope="module")
def task():
    pictures = (torch.rand(3, side, side, generator=seeded(side)) for side in (16, 32))
    return canvas(*pictures, 16, "random")


def test_every_rule_begins_at_the_same_picture_and_is_seen_after_as_many_gradients(task):
    found = [painted(task, rule, (0, 2, 5)) for rule in (SGD(1e-6), Adam(0.02), small_lstm(features=LogSign()), None)]
    for one in found:
        assert [*one] == [0, 2, 5]
        assert one[0][1].equal(found[0][0][1])
        assert one[0][0] == pytest.approx(found[0][0][0], rel=1e-5)


def test_a_picture_has_the_loss_that_is_told_of_it(task):
    (target,) = task.problem(0, seeded()).batches(1, seeded())
    for rule in (Adam(0.02), small_lstm(features=LogSign()), None):
        for loss, picture in painted(task, rule, (0, 2, 5)).values():
            assert float(task.loss({"picture": picture}, target)) == pytest.approx(loss, rel=1e-5)


def test_adams_picture_after_five_gradients_is_that_of_a_loop_with_pytorchs_own(task):
    (target,) = task.problem(0, seeded()).batches(1, seeded())
    found = painted(task, Adam(0.02), (0, 5))
    picture = torch.nn.Parameter(found[0][1].clone())
    optimizer = torch.optim.Adam([picture], lr=0.02)
    for _ in range(5):
        optimizer.zero_grad()
        task.loss({"picture": picture}, target).backward()
        optimizer.step()
    torch.testing.assert_close(found[5][1], picture.detach(), atol=1e-4, rtol=0)


def test_the_clock_counts_what_a_longer_run_takes_more(task, monkeypatch):
    """Where an evaluation of the loss takes a second, more in two rounds of three, and making the problem a hundred."""
    now, made, loss, problem = [0.0], [], type(task).loss, type(task).problem

    def slow_loss(self, params, batch):
        now[0] += (1.5, 1, 3)[(len(made) - 1) // 4]
        return loss(self, params, batch)

    def slow_problem(self, k, gen):
        now[0] += 100
        made.append(k)
        return problem(self, k, gen)

    monkeypatch.setattr(type(task), "loss", slow_loss)
    monkeypatch.setattr(type(task), "problem", slow_problem)
    monkeypatch.setattr("l2l_core.pictures.process_time", lambda: now[0])
    assert clock(task, {"adam": Adam(0.02), "lbfgs": None}, (2, 7)) == {"adam": 1.0, "lbfgs": 1.0}
    assert len(made) == 12


def test_what_is_stored_are_trials_and_photographs_that_there_are():
    for wall in COMMISSIONS:
        assert trial(wall.trial.name) is wall.trial
        assert set(wall.photographs) <= set(PHOTOGRAPHS)
        assert max(wall.steps) <= wall.trial.test_steps
        # Adam's rate is read from the trial's own results
        assert "adam" not in wall.rules or "adam" in wall.trial.baselines


@needs_data
def test_a_trials_own_photographs_make_room_for_one_that_anyone_may_show():
    home, warm = (easel_of(one, "flower") for one in (recipe("neural-art"), WARM))
    assert home.contents.equal(square(samples()[1], 64)[None])
    assert isinstance(warm, FromPhotograph)
    assert warm.style.equal(home.style)


@needs_data
def test_every_picture_says_what_it_shows():
    home = recipe("neural-art")
    entries = hang(
        [Commission(home, ("temple",), ("adam", "lbfgs"), (1, 2))], lambda _, name: {"adam": Adam(0.07)}.get(name)
    )
    told = [(e["trial"], e["photograph"], e["rule"], e["step"]) for e in entries]
    assert told == [("neural-art", "temple", name, step) for name in ("adam", "lbfgs") for step in (1, 2)]
    for entry in entries:
        assert loaded(entry["file"]).shape == (3, 64, 64)
        assert entry["loss"] > 0
