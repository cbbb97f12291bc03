"""The command line says what is wrong in one line."""

import pytest
import torch

from l2l_core import TRIALS, pocket
from l2l_core.__main__ import main
from l2l_core.pocket.tasks import BASELINES, POCKET

EXPLODING = """
from l2l_core import RULES
rule, broken = RULES["sgd"](1e300), RULES["sgd"](1.0)
broken.update = None
"""


def refused(capsys, *words):
    with pytest.raises(SystemExit) as exit:
        main(list(words))
    assert exit.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "cubic"], "l2l_core: unknown recipe 'cubic'; there are quadratic, "),
        (["train", "quadratic", "--scale", "huge"], "l2l_core: 'quadratic' has no scale 'huge'; it has smoke"),
        (
            ["train", "quadratic", "--device", "abacus"],
            "unknown device 'abacus'; there are cpu, cuda and auto",
        ),
        (["train", "mnist-relu"], "l2l_core: unknown recipe 'mnist-relu'"),
        (["tune", "cubic"], "l2l_core: unknown trial 'cubic'"),
        (["promote", "cubic"], "l2l_core: unknown trial 'cubic'"),
        (["promote", "quadratic", "--out", "nowhere"], "l2l_core: nothing to promote: nowhere has no metrics.json"),
        (
            ["evaluate", "quadratic", "--out", "nowhere"],
            "no meta-seed of 'quadratic' has finished in nowhere",
        ),
        (["train", "quadratic", "--device", "cpu", "--out", "file"], "Not a directory: 'file/seed0"),
        (["tune", "quadratic", "--device", "cpu", "--out", "file/folder"], "Not a directory: 'file"),
        (["train", "quadratic", "--device", "cpu", "--out", "file", "--no-resume"], "Not a directory: 'file'"),
        (["train", "quadratic", "--device", "cpu:x"], "unknown device 'cpu:x'; there are cpu, cuda and auto"),
        (["train", "quadratic", "--seed", "-1"], "argument --seed: '-1' is not one of 0, 1, 2, …"),
        (["train", "quadratic", "--seeds", "few"], "argument --seeds: 'few' is not one of 0, 1, 2, …"),
        (["train", "quadratic", "--seed", "1", "--seeds", "2"], "not allowed with argument"),
        (["train", "quadratic", "--seeds", "0", "--device", "cpu"], "no meta-seed of 'quadratic' has finished in"),
        (["pocket", "--rule", "mine"], "l2l_core: 'mine' is no rule: name your_module:YourRule, or one of "),
        (["pocket", "--rule", "no_such_module_here:Mine"], "l2l_core: there is no module 'no_such_module_here'"),
        (["pocket", "--rule", "math:Mine"], "l2l_core: the module 'math' has no 'Mine'"),
        (["pocket", "--rule", "math:pi"], "l2l_core: math:pi gives 'float', not a Rule"),
        (["pocket", "--rule", "torch.optim:Adam"], "l2l_core: torch.optim:Adam is a class, but no Rule"),
        (["pocket", "--rule", "exploding:rule"], "l2l_core: exploding:rule: the rule diverges on every problem"),
        (
            ["pocket", "--rule", "exploding:broken"],
            "exploding:broken: running the rule on 'quadratic' raised TypeError: ",
        ),
        (["pocket", "--plot", "figure.png"], "'figure.png' does not end in .svg, or its folder is not there"),
        (["pocket", "--plot", "nowhere/figure.svg"], "does not end in .svg, or its folder is not there"),
        (["pocket", "--baselines", "nothing.json"], "No such file or directory: 'nothing.json'"),
        (["prove", "quadratic"], "invalid choice: 'prove'"),
        ([], "required"),
    ],
)
def test_a_mistake_is_named_in_a_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "file").touch()
    (tmp_path / "exploding.py").write_text(EXPLODING)
    err = refused(capsys, *words)
    assert message in err
    assert "Traceback" not in err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_named(capsys):
    assert "there is no CUDA device here; use --device cpu" in refused(capsys, "train", "quadratic", "--device", "cuda")


def test_a_folder_that_is_not_empty_is_not_overwritten_without_resuming(capsys, tmp_path):
    (tmp_path / "file").touch()
    err = refused(capsys, "train", "quadratic", "--device", "cpu", "--out", str(tmp_path), "--no-resume")
    assert "is not empty; resume it, delete it, or give another --out" in err


def test_all_recipes_and_trials_are_listed(capsys):
    main(["list"])
    out = capsys.readouterr().out
    assert all(name in out for name in TRIALS)


def test_a_rule_of_ones_own_stands_beside_the_baselines(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_rules.py").write_text("from l2l_core import RULES\ndef slow():\n    return RULES['sgd'](1e-9)\n")
    main(["pocket"])
    legend, alone = (part.splitlines() for part in capsys.readouterr().out.split("\n\n"))
    assert [line.split()[0] for line in legend] == [line.split()[0] for line in alone[2:12]] == list(POCKET)
    assert alone[1].split() == BASELINES
    main(["pocket", "--rule", "my_rules:slow", "--plot", "figure.svg"])
    beside = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert beside[1].split() == [*BASELINES, "my_rules:slow"]
    # a rule that stands still solves nothing, and leaves the others as they were
    assert beside[-1].split()[-2:] == ["0", "%"]
    assert [line.split()[:6] for line in beside[2:12]] == [line.split() for line in alone[2:12]]
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")


def test_baselines_are_tuned_where_it_says_and_a_rule_made_by_chance_is_the_same_twice(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "by_chance.py").write_text("from l2l_core import RULES\ndef make():\n    return RULES['lstm']()\n")
    known, tuned, raced = pocket.reference(), [], []
    monkeypatch.setattr(pocket, "tune_baselines", lambda path, progress: tuned.append(path) or known)
    monkeypatch.setattr(pocket, "race", lambda rule, *_, **__: raced.append(rule) or known.baselines["adam"])
    for _ in range(2):
        main(["pocket", "--tune", "--baselines", str(tmp_path / "here.json"), "--rule", "by_chance:make"])
    assert tuned == [tmp_path / "here.json"] * 2
    one, other = (rule.state_dict() for rule in raced)
    assert all(w.equal(other[name]) for name, w in one.items())


@pytest.mark.parametrize(
    "words", [[], ["train"], ["evaluate"], ["tune"], ["claims"], ["promote"], ["list"], ["pocket"]]
)
def test_every_command_explains_itself(words, capsys):
    with pytest.raises(SystemExit) as exit:
        main([*words, "--help"])
    assert exit.value.code == 0
    assert "usage: python -m l2l_core" in capsys.readouterr().out
