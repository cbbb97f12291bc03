"""Surfaces: gradients, minima, and what is and is not drawn."""

from math import pi

import pytest
import torch
from conformance import seeded
from hypothesis import given
from hypothesis import strategies as st

from l2l_core.races import COURSES
from l2l_core.tasks.surfaces import Landscape, Surface, Surfaces, beale, height, rosenbrock

numbers = st.floats(-3, 3)
members = st.builds(
    Surface,
    scale=st.floats(0.01, 100),
    condition=st.floats(1, 100),
    angle=st.floats(0, pi),
    wall=st.floats(0.25, 1),
    bend=st.floats(0, 1),
    centre=st.tuples(numbers, numbers),
)
functions = st.one_of(members, st.sampled_from([rosenbrock, beale]))
points = st.tuples(numbers, numbers).map(lambda p: torch.tensor(p, dtype=torch.float64))


def gradient(function, theta):
    return torch.func.grad(lambda p: function(*p))(theta)


def hessian(function, theta):
    return torch.func.jacrev(lambda p: gradient(function, p))(theta)


def drawn(count=300, **settings):
    task, gen = Surfaces(dtype=torch.float64, **settings), seeded()
    problems = [task.sample(gen) for _ in range(count)]
    return [(p.params["theta"], p.batches(1, gen)[0], p.loss) for p in problems]


@given(functions, points)
def test_the_gradient_is_the_limit_of_differences(function, theta):
    found, step = gradient(function, theta), 1e-5
    for i in range(2):
        there, back = theta.clone(), theta.clone()
        there[i] += step
        back[i] -= step
        slope = (function(*there) - function(*back)) / (2 * step)
        torch.testing.assert_close(found[i], slope, rtol=1e-4, atol=1e-5 * float(1 + found.abs().max()))


@given(members)
def test_the_minimum_is_zero_at_the_centre_and_lower_than_all_around(surface):
    centre = torch.tensor(surface.centre, dtype=torch.float64)
    assert float(surface(*centre)) == 0
    assert gradient(surface, centre).tolist() == [0, 0]
    around = torch.linspace(0, 2 * pi, 25, dtype=torch.float64)
    for radius in (1e-3, 0.1, 3.0):
        assert all(surface(*(centre + radius * torch.stack([a.cos(), a.sin()]))) > 0 for a in around)


@given(members, points)
def test_there_is_no_other_stationary_point(surface, theta):
    if float((theta - torch.tensor(surface.centre)).norm()) > 1e-3:
        assert float(gradient(surface, theta).norm()) > 0


@given(members, points)
def test_turning_the_surface_and_the_point_changes_nothing(surface, offset):
    centre = torch.tensor(surface.centre, dtype=torch.float64)
    turn = torch.tensor(surface.angle, dtype=torch.float64)
    rotation = torch.stack([torch.stack([turn.cos(), -turn.sin()]), torch.stack([turn.sin(), turn.cos()])])
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(2, dtype=torch.float64))
    straight = Surface(surface.scale, surface.condition, 0.0, surface.wall, surface.bend, surface.centre)
    torch.testing.assert_close(surface(*(centre + rotation @ offset)), straight(*(centre + offset)))


def test_a_bowl_is_the_quadratic_of_its_curvatures():
    surface = Surface(0.7, 25.0, 0.4, centre=(0.3, -0.2))
    found = hessian(surface, torch.tensor([1.0, 2.0], dtype=torch.float64))
    expected = torch.tensor([0.7 / 25, 0.7], dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(found), expected)
    along = torch.tensor(0.4, dtype=torch.float64)
    direction = torch.stack([along.cos(), along.sin()])
    torch.testing.assert_close(found @ direction, expected[0] * direction)


def test_near_the_minimum_no_digit_is_lost():
    funnel = Surface(1.0, 1.0, wall=0.3).tensor(torch.float32)
    near = torch.tensor([1e-6, 0.0])
    torch.testing.assert_close(height(near, funnel), torch.tensor(0.5e-12))


@pytest.mark.parametrize(("function", "minimum"), [(rosenbrock, (1.0, 1.0)), (beale, (3.0, 0.5))])
def test_known_functions_have_their_known_minima(function, minimum):
    theta = torch.tensor(minimum, dtype=torch.float64)
    assert float(function(*theta)) == 0
    assert gradient(function, theta).tolist() == [0, 0]
    assert float(torch.linalg.eigvalsh(hessian(function, theta)).min()) > 0


def test_every_problem_starts_at_loss_one_at_a_distance_in_range():
    for theta, surface, loss in drawn(distance=(0.5, 4.0)):
        assert float(loss({"theta": theta}, surface)) == pytest.approx(1)
        assert 0.5 <= float((theta - surface[6:]).norm()) <= 4
        assert 1 <= float(surface[1]) <= 100


def test_a_third_of_the_surfaces_are_of_each_kind_and_turned_every_way():
    surfaces = torch.stack([surface for _, surface, _ in drawn(600)])
    funnels, valleys = surfaces[:, 4] < 1, surfaces[:, 5] > 0
    assert not (funnels & valleys).any()
    assert abs(float(funnels.double().mean()) - 1 / 3) < 0.06
    assert abs(float(valleys.double().mean()) - 1 / 3) < 0.06
    assert abs(float(torch.atan2(surfaces[:, 3], surfaces[:, 2]).mean()) - pi / 2) < 0.1


@given(st.integers(0, 1000))
def test_what_is_held_out_is_never_drawn(seed):
    """A member of the family grows no faster than a square; the held-out functions are polynomials of higher degree."""
    surface = Surfaces(dtype=torch.float64).sample(seeded(seed)).batches(1, seeded())[0]
    far = [height(r * torch.tensor([0.6, 0.8], dtype=torch.float64), surface) for r in (1e4, 1e5)]
    assert float(far[1] / far[0]) < 150
    for function in (rosenbrock, beale):
        far = [function(*(r * torch.tensor([0.6, 0.8], dtype=torch.float64))) for r in (1e4, 1e5)]
        assert float(far[1] / far[0]) > 1000


def test_noise_is_in_the_gradient_and_not_in_the_loss():
    task = Landscape(rosenbrock, ((-1.0, 1.0), (-1.0, 1.0)), noise=0.5, dtype=torch.float64)
    problem = task.sample(seeded())
    for z in problem.batches(5, seeded(1)):
        found, value = torch.func.grad_and_value(problem.loss)(problem.params, z)
        theta = problem.params["theta"]
        torch.testing.assert_close(found["theta"], gradient(rosenbrock, theta) + 0.5 * z)
        torch.testing.assert_close(value, rosenbrock(*theta))


def test_starts_fill_the_window():
    task, gen = Landscape(beale, ((0.0, 1.0), (5.0, 9.0))), seeded()
    starts = torch.stack([task.sample(gen).params["theta"] for _ in range(300)])
    for i, (low, high) in enumerate(task.window):
        assert low <= float(starts[:, i].min()) < low + 0.05 * (high - low)
        assert high >= float(starts[:, i].max()) > high - 0.05 * (high - low)


@pytest.mark.parametrize("name", COURSES)
def test_a_course_has_its_minimum_and_its_start_on_the_map(name):
    course = COURSES[name]
    for point in (course.start, course.minimum):
        assert all(low < value < high for value, (low, high) in zip(point, course.window, strict=True))
    assert float(course.function(*torch.tensor(course.minimum, dtype=torch.float64))) == 0
    known = isinstance(course.function, Surface) and not course.noise
    assert known != bool(course.unlike)
