"""The race in the page: its JavaScript does what the package does, and its data are what the command writes."""

import json
from pathlib import Path

import pytest
import torch
from conformance import phi_of, seeded
from py_mini_racer import MiniRacer

from l2l_core import RULES, Unroll, load_pretrained
from l2l_core.metagrad import draw
from l2l_core.playground import LEARNED, RIVALS, data, described, script, walk
from l2l_core.races import COURSES
from l2l_core.results import RESULTS
from l2l_core.rules.lstm import LSTMState
from l2l_core.store import read_json
from l2l_core.tasks.surfaces import Surface, Surfaces
from l2l_core.tree import map_tree, stack

RACE = Path(__file__).parents[1] / "book" / "_static" / "race"
RATES = {"sgd": 0.03, "momentum": 0.01, "rmsprop": 0.05, "adam": 0.2}
UPDATES = 1000


@pytest.fixture(scope="module")
def engine():
    """A JavaScript engine with the page's mathematics in it; `engine(expression, argument)` evaluates."""
    racer = MiniRacer()
    for name in ("engine.js", "data.js"):
        racer.eval((RACE / name).read_text(encoding="utf-8"))
    racer.eval("const E = L2LRace, D = L2LRaceData; let a;")
    racer.eval("const make = (name, lr) => D.rules[name] ? E.lstm(D.rules[name]) : E[name](lr);")

    def evaluate(expression, argument=None):
        racer.eval(f"a = {json.dumps(argument)}; 0")
        return json.loads(racer.eval(f"JSON.stringify({expression})"))

    return evaluate


def rule(name):
    return (RULES[name](RATES[name]) if name in RATES else load_pretrained(LEARNED[name])).double()


def some_surfaces(count):
    """Random members of the family."""
    gen = seeded(3)
    for _ in range(count):
        problem = Surfaces(dtype=torch.float64).sample(gen)
        s, k, c, sine, wall, bend, *centre = problem.batches(1, gen)[0].tolist()
        angle = float(torch.atan2(*torch.tensor([sine, c], dtype=torch.float64)))
        yield Surface(s, k, angle, wall, bend, tuple(centre))


def plain(state):
    """A rule's state, of one optimizee, in the shape that the page's rules use."""
    if isinstance(state, LSTMState):
        coordinates = range(len(state.h[0]))
        layers = list(zip(state.h, state.c, strict=True))
        return [[{"h": h[i].tolist(), "c": c[i].tolist()} for h, c in layers] for i in coordinates]
    if isinstance(state, dict):
        return state["theta"].tolist()
    if hasattr(state, "_asdict"):
        return {key: plain(value) for key, value in state._asdict().items()}
    return list(state)


def recorded(rule):
    """(gradient, state, t, step) at some steps of 100 on random surfaces."""
    task, gen, phi = Surfaces(dtype=torch.float64), seeded(3), phi_of(rule)
    problems = [task.sample(gen) for _ in range(UPDATES // 5)]
    data, unroll = draw(problems, 101, gen), Unroll(rule, 100)
    carry = unroll.start(phi, task.loss, stack([p.params for p in problems]), data[:, 0])
    for after in unroll.walk(phi, task.loss, carry, data[:, 1:]):
        if carry.step % 20 == 7:
            steps = after.params["theta"] - carry.params["theta"]
            for i in range(len(problems)):
                state = plain(map_tree(lambda leaf, i=i: leaf[i], carry.state))
                yield carry.grad["theta"][i].tolist(), state, carry.step, steps[i].tolist()
        carry = after


@pytest.mark.parametrize("name", [*LEARNED, *RATES])
def test_single_updates_are_those_of_the_package(engine, name):
    with torch.no_grad():
        known = list(recorded(rule(name)))
    assert len(known) == UPDATES
    call = f"(rule => a.map((one) => rule.update(...one)[0]))(make('{name}', {RATES.get(name, 0)}))"
    found = engine(call, [one[:3] for one in known])
    expected = torch.tensor([one[3] for one in known], dtype=torch.float64)
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", [*LEARNED, *RATES])
@pytest.mark.parametrize("course", COURSES)
def test_trajectories_are_those_of_the_package(engine, course, name):
    function, start = COURSES[course].function, COURSES[course].start
    lr = 2e-4 if course in ("rosenbrock", "beale") and name in ("sgd", "momentum") else RATES.get(name, 0)
    ours = RULES[name](lr) if lr else rule(name)
    points, losses = walk(ours, function, start, 20)
    found = engine(f"E.run(make('{name}', {lr}), E.surface(a[0]), a[1], 20)", [described(function), start])
    close = {"rtol": 1e-6, "atol": 1e-6}
    torch.testing.assert_close(torch.tensor(found["path"], dtype=torch.float64), points, **close)
    torch.testing.assert_close(torch.tensor(found["losses"], dtype=torch.float64), losses, **close)


def test_surfaces_and_their_gradients_are_those_of_the_package(engine):
    gen = seeded(5)
    functions = [course.function for course in COURSES.values()] + [surface for surface in some_surfaces(100)]
    asked = [(f, (6 * torch.rand(2, generator=gen, dtype=torch.float64) - 3)) for f in functions for _ in range(2)]
    found = engine(
        "a.map(([s, p]) => [E.surface(s).height(...p), E.surface(s).gradient(...p)])",
        [(described(f), p.tolist()) for f, p in asked],
    )
    for (function, point), (height, gradient) in zip(asked, found, strict=True):
        slope, value = torch.func.grad_and_value(lambda p, f=function: f(*p))(point)
        torch.testing.assert_close(torch.tensor(height, dtype=torch.float64), value, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(torch.tensor(gradient, dtype=torch.float64), slope, rtol=1e-10, atol=1e-10)


def test_noise_is_added_to_the_gradient_and_is_standard_gaussian(engine):
    surface, start = described(COURSES["noisy"].function), COURSES["noisy"].start
    run = engine("E.run(E.sgd(0.1), E.surface(a[0]), a[1], 50, 0.3, 7)", [surface, start])
    exact = engine("a[1].map((p) => E.surface(a[0]).gradient(...p))", [surface, run["path"]])
    noise = engine("Array.from({ length: 51 }, (_, t) => E.noise(7, t))")
    exact, noise, found = (torch.tensor(numbers, dtype=torch.float64) for numbers in (exact, noise, run["gradients"]))
    torch.testing.assert_close(found, exact + 0.3 * noise, rtol=1e-12, atol=1e-12)
    many = torch.tensor(engine("Array.from({ length: 5000 }, (_, t) => E.noise(1, t))"))
    assert many.mean(0).abs().max() < 0.05
    assert (many.std(0) - 1).abs().max() < 0.05
    assert abs(float((many[:-1] * many[1:]).mean())) < 0.03


def test_fresh_surfaces_are_drawn_as_the_task_draws_them(engine):
    drawn = engine("Array.from({ length: 600 }, (_, seed) => E.draw(E.uniform(seed)))")
    surfaces = [one["surface"] for one in drawn]
    funnels, valleys = (sum(s[key] != plain for s in surfaces) for key, plain in (("wall", 1), ("bend", 0)))
    assert abs(funnels - 200) < 40
    assert abs(valleys - 200) < 40
    assert all(1 <= s["condition"] <= 100 and 0.25 <= s["wall"] <= 1 and 0 <= s["bend"] <= 1 for s in surfaces)
    for one in drawn:
        settings = {key: value for key, value in one["surface"].items() if key != "kind"}
        start = torch.tensor(one["start"], dtype=torch.float64)
        assert float(Surface(**settings)(*start)) == pytest.approx(1)
        distance = float((start - torch.tensor(settings["centre"], dtype=torch.float64)).norm())
        assert 0.5 - 1e-9 <= distance <= 4 + 1e-9


@pytest.mark.parametrize("name", LEARNED)
def test_weights_come_through_as_they_are(engine, name):
    numbers = engine(f"Array.from(E.floats(D.rules['{name}'].weights))")
    weights = torch.cat([w.flatten() for w in load_pretrained(LEARNED[name]).parameters()])
    assert torch.tensor(numbers, dtype=torch.float32).equal(weights)


def test_the_data_are_what_the_command_writes():
    assert (RACE / "data.js").read_text(encoding="utf-8") == script(data())


def test_the_rates_in_the_page_are_the_tuned_ones():
    courses = data()["courses"]
    for name, course in courses.items():
        trial = "surfaces" if name == "random" else f"surfaces-{name}"
        tuned = read_json(RESULTS / trial / "metrics.json")["baselines"]
        assert {rival: pytest.approx(tuned[rival]["lr"], rel=0.01) for rival in RIVALS} == course["rates"]


def test_the_picture_for_pages_without_scripts_is_there():
    assert (RACE / "race.svg").stat().st_size > 10_000
    index = (RACE.parents[1] / "index.md").read_text(encoding="utf-8")
    assert "race/race.svg" in index
    assert 'alt="A race of five optimizers in a winding valley' in index
