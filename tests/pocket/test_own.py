"""A reader's rule is found by its name, and what is wrong with it is said in one line."""

import re

import pytest

from l2l_core import load_pretrained
from l2l_core.pocket.own import named_rule, said
from l2l_core.rules import SGD

MODULE = """
import torch
from l2l_core import RULES, Rule

class Mine(Rule):
    def init(self, params):
        return ()

    def update(self, signal, state, params):
        return {name: -0.5 * g for name, g in signal.grad.items()}, state

class Needy(Mine):
    def __init__(self, rate):
        super().__init__()

def make():
    return RULES["adam"](0.1)

ready = RULES["sgd"](0.25)
number = 3
Torch = torch.optim.Adam
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A reader's module, importable under the name that is returned."""
    name = f"readers_{abs(hash(tmp_path)):x}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / f"{name}_wrong.py").write_text("import not_anywhere_at_all\n")
    (tmp_path / f"{name}_worse.py").write_text("def f(:\n")
    (tmp_path / f"{name}_script.py").write_text("raise SystemExit('that was all')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_a_class_a_function_and_a_rule_are_rules(module):
    assert type(named_rule(f"{module}:Mine")).__name__ == "Mine"
    assert type(named_rule(f"{module}:make")).__name__ == "Adam"
    found = named_rule(f"{module}:ready")
    assert isinstance(found, SGD)
    assert found.lr.item() == 0.25


def test_a_trained_rule_is_found_by_its_name():
    found, expected = named_rule("mnist-lstm"), load_pretrained("mnist-lstm")
    assert found.state_dict().keys() == expected.state_dict().keys()
    assert all(w.equal(expected.state_dict()[name]) for name, w in found.state_dict().items())


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("", "is no rule: name your_module:YourRule, or one of cifar-"),
        (":", "is no rule: name your_module:YourRule"),
        (":Missing", "has no 'Missing'"),
        (":number", "gives 'int', not a Rule"),
        (":Torch", "is a class, but no Rule: it must derive from l2l_core.Rule"),
        (":Needy", "called without arguments, and that raised TypeError: "),
        ("_wrong:Mine", "_wrong' raised ModuleNotFoundError: No module named 'not_anywhere_at_all'"),
        ("_worse:Mine", "_worse' raised SyntaxError: "),
        ("_script:Mine", "_script' raised SystemExit: that was all"),
    ],
)
def test_what_is_no_rule_is_named(module, end, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        named_rule(module + end)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere_at_all:Rule", "nowhere_at_all.inside:Rule"])
def test_a_module_that_is_not_there_is_named(name):
    with pytest.raises(ImportError, match="there is no module 'nowhere_at_all"):
        named_rule(name)


@pytest.mark.parametrize("name", ["./mine:Rule", "folder/mine:Rule", ".mine:Rule", ":Rule"])
def test_a_path_is_no_module(name):
    with pytest.raises(ValueError, match=re.escape(f"{name!r} is no rule: name your_module:YourRule")):
        named_rule(name)


def test_a_file_is_no_module_but_its_name_is(module):
    with pytest.raises(ImportError, match=rf"did you mean {module}:Mine\?$"):
        named_rule(f"{module}.py:Mine")


def test_an_error_is_quoted_by_its_first_line():
    assert said(ValueError("one\ntwo")) == "ValueError: one"
    assert said(KeyError()) == "KeyError"
