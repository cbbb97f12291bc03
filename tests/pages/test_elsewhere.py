"""The files by which the book runs elsewhere: they parse, and call only what there is."""

import json
import re
import subprocess

import pytest
import yaml

from l2l_core.pages import chapters, move, setup_cell


@pytest.fixture(scope="module")
def targets(root):
    """The targets that the Makefile describes."""
    return set(re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def workflows(root):
    files = sorted((root / ".github" / "workflows").glob("*.yml"))
    assert [file.stem for file in files] == ["book", "colab"]
    return {file.stem: yaml.safe_load(file.read_text()) for file in files}


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands(workflow):
    return "\n".join(step["run"] for step in steps(workflow) if "run" in step)


def test_workflows_call_only_targets_that_there_are(workflows, targets, root):
    called = {target for flow in workflows.values() for target in re.findall(r"\bmake ([a-z-]+)", commands(flow))}
    assert called == {"address", "test-colab"}
    assert called <= targets
    assert ".ci/run" in commands(workflows["book"])
    assert "make test\n" in (root / ".ci" / "run").read_text()


def test_a_push_tests_and_publishes_and_a_week_tests_colab(workflows):
    # YAML 1.1 reads `on` as true
    assert {"push", "pull_request"} <= set(workflows["book"][True])
    assert "schedule" in workflows["colab"][True]
    publish = workflows["book"]["jobs"]["publish"]
    assert publish["needs"] == "test"
    assert "pull_request" in publish["if"]


def test_only_published_actions_with_a_version_are_used(workflows):
    used = [step["uses"] for flow in workflows.values() for step in steps(flow) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []


def test_jobs_may_write_no_more_than_they_must(workflows):
    assert all(flow["permissions"] == {"contents": "read"} for flow in workflows.values())
    assert workflows["book"]["jobs"]["publish"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_the_script_of_ci_is_a_script(root):
    assert subprocess.run(["bash", "-n", root / ".ci" / "run"], check=False).returncode == 0


def test_container_sets_itself_up_by_targets_that_there_are(root, targets):
    container = json.loads((root / ".devcontainer" / "devcontainer.json").read_text())
    assert set(re.findall(r"make ([a-z-]+)", container["postCreateCommand"])) <= targets


@pytest.fixture
def copy(root, tmp_path):
    """The book's configuration and one of its chapters."""
    (tmp_path / "_config.yml").write_text((root / "_config.yml").read_text())
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "page.ipynb").write_text(chapters(root)[0].read_text())
    return tmp_path


def test_a_fork_has_its_address_in_the_configuration_and_in_every_setup_cell(copy, root):
    move(copy, "https://github.com/someone/else", "trunk")
    settings = [yaml.safe_load((folder / "_config.yml").read_text()) for folder in (root, copy)]
    assert settings[1].pop("repository") == {
        "url": "https://github.com/someone/else",
        "branch": "trunk",
        "path_to_book": "",
    }
    settings[0].pop("repository")
    assert settings[0] == settings[1]
    assert "git+https://github.com/someone/else@trunk" in setup_cell(copy)
    page = json.loads((copy / "book" / "page.ipynb").read_text())
    before = json.loads(chapters(root)[0].read_text())
    changed = [new for old, new in zip(before["cells"], page["cells"], strict=True) if old != new]
    assert [cell["id"] for cell in changed] == ["setup"]
    assert "someone/else@trunk" in "".join(changed[0]["source"])


def test_moving_home_again_changes_nothing(copy, root):
    before = {path: path.read_bytes() for path in (copy / "_config.yml", *chapters(copy))}
    home = yaml.safe_load((root / "_config.yml").read_text())["repository"]
    move(copy, "https://github.com/someone/else", "trunk")
    move(copy, home["url"], home["branch"])
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("url", "branch"), [("github.com/a/b", "main"), ("https://a/b, branch: x", "main"), ("https://a/b", "")]
)
def test_what_is_no_address_is_refused(copy, url, branch):
    with pytest.raises(ValueError, match="no address"):
        move(copy, url, branch)


def test_a_configuration_without_a_repository_is_refused(copy):
    (copy / "_config.yml").write_text("title: A book\n")
    with pytest.raises(ValueError, match="name the repository once"):
        move(copy, "https://a/b", "main")
