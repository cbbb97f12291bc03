"""Families of optimization problems by name."""

from collections.abc import Callable

from l2l_core.tasks.cifar import CIFARNetwork
from l2l_core.tasks.mnist import MNISTNetwork
from l2l_core.tasks.module import from_module
from l2l_core.tasks.quadratic import Quadratic
from l2l_core.tasks.surfaces import Surfaces
from l2l_core.types import Task

TASKS: dict[str, Callable[..., Task]] = {
    "quadratic": Quadratic,
    "mnist": MNISTNetwork,
    "cifar": CIFARNetwork,
    "surfaces": Surfaces,
    "module": from_module,
}
"""Every task of the book."""

__all__ = ["TASKS", "CIFARNetwork", "MNISTNetwork", "Quadratic", "Surfaces", "from_module"]
