"""Two processes under PyTorch's own launcher train as one does."""

import tworanks
from conformance import assert_same, run_python

from l2l_core.distributed import agreed, alone, is_writer, join, joined, leave, mean_over_ranks
from l2l_core.store import load_tensors, strip


def test_alone_nothing_is_shared(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join("cpu") == (0, 1)
    leave()
    thing = {"x": object()}
    assert mean_over_ranks(thing) is thing
    assert joined(thing) is thing
    assert [agreed(decision, "cpu") for decision in (True, False)] == [True, False]
    assert is_writer()
    assert alone()


def test_two_processes_train_as_one_and_resume_within_an_episode(tmp_path, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    tworanks.work(tmp_path / "alone")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = run_python(*launcher, tworanks.__file__, tmp_path / "together")
    assert done.returncode == 0, done.stderr
    one, first, second = (
        load_tensors(tmp_path / place)[0]
        for place in ("alone/rank0of1.safetensors", "together/rank0of2.safetensors", "together/rank1of2.safetensors")
    )
    assert_same(first, second)
    assert_same(first, one, rtol=1e-4, atol=1e-6)
    for each in (one, first):
        assert_same(strip(each, "resumed."), strip(each, "whole."))
    assert {name for name in strip(one, "whole.") if name.endswith("lr")} == {"rules.others.lr"}
