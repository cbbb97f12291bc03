"""The wheel, the source distribution, and what a user types, where only what the wheel asks for is installed."""

import re
import shutil
import subprocess
import sys
import tarfile
import venv
from importlib.metadata import distribution, requires
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def declared(wheel):
    """The names of all packages that the wheel's own requirements lead to, without extras."""
    with ZipFile(wheel) as file:
        (metadata,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        lines = file.read(metadata).decode().splitlines()
    waiting = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    found = {}
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[name] = requirement
        waiting.extend(requires(name) or [])
    return found


@pytest.fixture(scope="module")
def user(wheel, tmp_path_factory):
    """The Python of an environment with the wheel and, linked, this environment's copies of what it asks for."""
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder, with_pip=False, symlinks=True)
    python, needed = folder / "bin" / "python", folder / "needed"
    needed.mkdir()
    for name in declared(wheel):
        package = distribution(name)
        for top in {file.parts[0] for file in package.files if file.parts[0] not in ("..", "__pycache__")}:
            if not (needed / top).exists():
                (needed / top).symlink_to(package.locate_file(top))
    site = ask(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True)
    (Path(site) / "needed.pth").write_text(f"{needed}\n")
    return python


def ask(python, program, **settings):
    """What a program prints, warnings being errors; it starts where no checkout is."""
    words = [python, "-I", "-W", "error", "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, **{"cwd": "/", **settings})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def blocks(root):
    """The Python of the README, block by block."""
    return re.findall(r"^```python\n(.*?)^```", (root / "README.md").read_text(), re.DOTALL | re.MULTILINE)


READER = """
import torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 3))
for p in model.parameters():
    nn.init.normal_(p, std=0.01)
inputs = torch.rand(256, 6)
targets = ((inputs - 0.5) @ torch.randn(6, 3)).argmax(1)
data = [(inputs[k::8], targets[k::8]) for _ in range(5) for k in range(8)]
def loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])
before = loss(model, (inputs, targets)).item()
"""


def test_the_environment_is_bare(user):
    present = "from importlib.util import find_spec; print([n for n in {} if find_spec(n)])"
    absent = ("matplotlib", "yaml", "sklearn", "torchvision", "onnx", "IPython", "pytest")
    assert ask(user, present.format(absent)) == "[]"
    where = Path(ask(user, "import l2l_core; print(l2l_core.__file__)"))
    assert where.is_relative_to(user.parents[1])


def test_a_trained_rule_in_a_users_loop_as_the_readme_has_it(user, root):
    (block,) = (text for text in blocks(root) if "load_pretrained" in text and "meta_train" not in text)
    assert len(block.strip().splitlines()) <= 8
    after = "\nprint(before, loss(model, (inputs, targets)).item())"
    start, end = map(float, ask(user, READER + block + after).split())
    assert end < start


def test_a_users_own_rule_as_the_readme_has_it(user, root, tmp_path):
    (block,) = (text for text in blocks(root) if "meta_train" in text)
    shorter = re.sub(r"Training\(\d+", "Training(20", block)
    assert shorter != block
    ask(user, READER + shorter, cwd=tmp_path)
    again = "from safetensors import safe_open\nprint(len(safe_open('mine.safetensors', 'pt').keys()))"
    assert int(ask(user, again, cwd=tmp_path)) == 8


def test_every_rule_of_the_zoo_loads_and_its_command_line_answers(user):
    names = "from l2l_core import load_pretrained, zoo; print(len([load_pretrained(n) for n in zoo.pretrained()]))"
    assert int(ask(user, names)) > 10
    done = subprocess.run([user, "-I", "-m", "l2l_core", "list"], cwd="/", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mnist-lstm" in done.stdout


def test_the_pocket_benchmark_comes_with_its_baselines_and_names_what_a_rule_of_ones_own_needs(user):
    def pocket(*words):
        command = [user, "-I", "-m", "l2l_core", "pocket", *words]
        return subprocess.run(command, cwd="/", capture_output=True, text=True)

    alone, beside = pocket(), pocket("--rule", "mnist-lstm")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert "the fastest" in alone.stdout
    assert (beside.returncode, beside.stdout) == (2, "")
    assert beside.stderr.startswith("l2l_core: the pocket benchmark needs scikit-learn's digits: pip install ")


@pytest.fixture(scope="module")
def source(root, tmp_path_factory):
    """The source distribution, built from a copy of the checkout."""
    copy = tmp_path_factory.mktemp("sdist")
    shutil.copytree(root / "l2l_core", copy / "l2l_core", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "results", copy / "results")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy)
    build = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, "dist"], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = (copy / "dist").glob("l2l_core-*.tar.gz")
    return built


def test_the_source_distribution_makes_the_same_wheel(source, wheel, tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (again,) = tmp_path.glob("*.whl")
    one, other = (ZipFile(file) for file in (wheel, again))
    assert sorted(one.namelist()) == sorted(other.namelist())
    assert [n for n in one.namelist() if not n.endswith("RECORD") and one.read(n) != other.read(n)] == []


def test_the_source_distribution_holds_the_package_and_the_licence_and_no_links(source):
    with tarfile.open(source) as file:
        members = file.getmembers()
    names = {member.name.partition("/")[2] for member in members}
    assert {"pyproject.toml", "README.md", "LICENSE", "l2l_core/zoo/mnist-lstm.safetensors"} <= names
    assert [m.name for m in members if m.issym() or m.islnk()] == []
