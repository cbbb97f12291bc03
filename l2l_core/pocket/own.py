"""A rule by the name that a reader types: a trained one of the package, or one in the reader's own module."""

import importlib
from typing import Any

from l2l_core.rule import Rule
from l2l_core.zoo import load_pretrained, pretrained


def named_rule(name: str) -> Rule:
    """The trained rule `name` ("mnist-lstm"), or what `module:attribute` names.

    That is a rule, or a class or function that makes one without arguments; the module is looked for where Python
    looks, in the current folder first. Raises ValueError, saying what is wrong, for anything else, ImportError for a
    module that is not there.
    """
    if name in pretrained():
        return load_pretrained(name)
    module, _, attribute = name.partition(":")
    if not (attribute and all(part.isidentifier() for part in module.split("."))):
        raise ValueError(f"{name!r} is no rule: name your_module:YourRule, or one of {', '.join(pretrained())}")
    thing = _attribute(name, module, attribute)
    if isinstance(thing, type) and not issubclass(thing, Rule):
        raise ValueError(f"{name} is a class, but no Rule: it must derive from l2l_core.Rule")
    made = _made(name, thing) if callable(thing) and not isinstance(thing, Rule) else thing
    if not isinstance(made, Rule):
        raise ValueError(f"{name} gives {type(made).__name__!r}, not a Rule: name a rule, or what makes one")
    return made


def _attribute(name: str, module: str, attribute: str) -> Any:
    try:
        loaded = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # the reader's own module may raise anything, or be a script
        if isinstance(error, ModuleNotFoundError) and error.name in (module, module.partition(".")[0]):
            hint = f"; did you mean {module[:-3]}:{attribute}?" if module.endswith(".py") else ""
            raise ImportError(f"there is no module {module!r}, neither in this folder nor installed{hint}") from error
        raise ValueError(f"importing {module!r} raised {said(error)}") from error
    if not hasattr(loaded, attribute):
        raise ValueError(f"the module {module!r} has no {attribute!r}")
    return getattr(loaded, attribute)


def _made(name: str, make: Any) -> Any:
    try:
        return make()
    except (Exception, SystemExit) as error:
        raise ValueError(f"{name} is called without arguments, and that raised {said(error)}") from error


def said(error: BaseException) -> str:
    """An error's kind and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
