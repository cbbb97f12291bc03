"""The package's shape: imports point one way, files are short, what is public is explained."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import l2l_core

PACKAGE = Path(l2l_core.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))

ORDER = ["tree", "types", "rule", "unroll", "metagrad", "training", "recipes"]
"""Each of these may import those before it, and none after it."""


def module_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Modules of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name.removeprefix("l2l_core.") for name in found if name.startswith("l2l_core.")}


DIRECT = {module_of(path): imports(path) for path in FILES}


def reached(module, seen=()):
    """Everything that importing a module imports."""
    for name in DIRECT.get(module, set()):
        if name not in seen:
            seen = (*reached(name, (*seen, name)),)
    return seen


@pytest.mark.parametrize(("early", "late"), [(a, b) for i, a in enumerate(ORDER) for b in ORDER[i + 1 :]])
def test_imports_point_one_way(early, late):
    assert late not in reached(early)


@pytest.mark.parametrize("module", [m for m in DIRECT if m.startswith(("rules", "tasks"))])
def test_rules_and_tasks_never_import_one_another_nor_what_uses_them(module):
    other = "tasks" if module.startswith("rules") else "rules"
    forbidden = (other, "unroll", "metagrad", "training", "evaluation", "recipes")
    assert [name for name in reached(module) if name.startswith(forbidden)] == []


@pytest.mark.parametrize("module", DIRECT)
def test_nothing_imports_itself_in_a_circle(module):
    assert module not in reached(module)


@every_file
def test_a_library_file_has_at_most_300_lines(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


def public_things():
    for module in DIRECT:
        loaded = importlib.import_module(f"l2l_core.{module}" if module else "l2l_core")
        yield loaded.__name__, loaded
        for name, thing in vars(loaded).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != loaded.__name__:
                continue
            if inspect.isfunction(thing) or inspect.isclass(thing):
                yield f"{loaded.__name__}.{name}", thing
            if inspect.isclass(thing):
                for key, member in vars(thing).items():
                    function = member.fget if isinstance(member, property) else member
                    if not key.startswith("_") and inspect.isfunction(function):
                        yield f"{loaded.__name__}.{name}.{key}", function


def test_every_public_thing_says_what_it_is():
    def hidden(name):
        return any(part.startswith("_") for part in name.split("."))

    silent = [name for name, thing in public_things() if not hidden(name) and not (thing.__doc__ or "").strip()]
    assert silent == []


def test_the_public_names_are_there():
    required = {"log_sign", "CoordinatewiseLSTM", "Unroll", "tbptt", "meta_train", "evaluate", "RuleOptimizer"}
    assert required | {"load_pretrained", "recipe", "RECIPES", "RULES", "TASKS"} <= set(l2l_core.__all__)
    assert all(hasattr(l2l_core, name) for name in l2l_core.__all__)
    assert len(l2l_core.__all__) == len(set(l2l_core.__all__))
