"""Named experiments, a file a family."""

from l2l_core.recipes.base import Budget, Recipe, fresh_rule
from l2l_core.recipes.cifar import CIFAR
from l2l_core.recipes.cures import CURES
from l2l_core.recipes.mnist import MNIST
from l2l_core.recipes.neural_art import NEURAL_ART
from l2l_core.recipes.quadratic import QUADRATICS
from l2l_core.recipes.surfaces import SURFACES
from l2l_core.recipes.wandering import WANDERING

_FAMILIES = (QUADRATICS, MNIST, WANDERING, CURES, CIFAR, NEURAL_ART, SURFACES)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for family in _FAMILIES for recipe in family}
"""Every experiment of the book by name."""


def recipe(name: str) -> Recipe:
    """The recipe called `name`. Raises ValueError, naming those there are, for an unknown one."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]


__all__ = ["RECIPES", "Budget", "Recipe", "fresh_rule", "recipe"]
