"""Two processes under PyTorch's own launcher train as one does."""

import subprocess
import sys
from pathlib import Path

from conformance import assert_same

from l2l_core.distributed import alone, gather, is_writer, join, leave, mean_over_ranks
from l2l_core.store import load_tensors, strip


def test_alone_nothing_is_shared(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join("cpu") == (0, 1)
    leave()
    thing = {"x": object()}
    assert mean_over_ranks(thing) is thing
    assert gather(thing) is thing
    assert is_writer()
    assert alone()


def test_two_processes_train_as_one_and_resume_within_an_episode(tmp_path):
    script = str(Path(__file__).with_name("tworanks.py"))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for words in ([script], [*launcher, script]):
        done = subprocess.run([sys.executable, *words, tmp_path / f"{len(words)}"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    one, first, second = (
        load_tensors(tmp_path / place)[0]
        for place in ("1/rank0of1.safetensors", "6/rank0of2.safetensors", "6/rank1of2.safetensors")
    )
    assert_same(first, second)
    assert_same(first, one, rtol=1e-4, atol=1e-6)
    for each in (one, first):
        assert_same(strip(each, "resumed."), strip(each, "whole."))
    assert {name for name in strip(one, "whole.") if name.endswith("lr")} == {"rules.others.lr"}
