"""Families of optimization problems by name."""

from collections.abc import Callable

from l2l_core.tasks.cifar import CIFARNetwork
from l2l_core.tasks.mnist import MNISTNetwork
from l2l_core.tasks.module import from_module
from l2l_core.tasks.quadratic import Quadratic
from l2l_core.types import Task

TASKS: dict[str, Callable[..., Task]] = {
    "quadratic": Quadratic,
    "mnist": MNISTNetwork,
    "cifar": CIFARNetwork,
    "module": from_module,
}
"""Every task of the book."""

__all__ = ["TASKS", "CIFARNetwork", "MNISTNetwork", "Quadratic", "from_module"]
