"""What one of several processes does: `torchrun --nproc-per-node 2 tworanks.py OUT`, or alone."""

import sys
from pathlib import Path

import torch
from conformance import network, small_lstm

from l2l_core import LogSign, Training, Unroll, meta_train, tbptt
from l2l_core.distributed import agreed, alone, is_writer, join, joined, leave, mean_over_ranks
from l2l_core.rules import Grouped, Momentum
from l2l_core.store import save_tensors


def work(out: Path) -> None:
    """Train, stop within an episode, resume, and check the words of `l2l_core.distributed` on the way."""
    rank, ranks = join("cpu")

    scores = iter(range(0, -100, -1))  # the latest is the best

    def trained(meta_steps, folder):
        torch.manual_seed(1)
        # weights of two precisions: an LSTM's and a learning rate
        parts = {"matrices": small_lstm(features=LogSign()), "others": Momentum(0.05)}
        rule = Grouped(parts, lambda name, shape: "matrices" if len(shape) == 2 else "others")
        estimator = tbptt(Unroll(rule, 9), network(torch.float32), b=4, window=3, shard=(rank, ranks))
        return meta_train(rule, estimator, lambda phi: next(scores), Training(meta_steps, 0.01, 1), out=folder).phi

    phi = trained(7, out / "whole")
    # a run that stops within an episode and goes on
    trained(4, out / "parts")
    resumed = trained(7, out / "parts")

    assert mean_over_ranks({"x": torch.tensor([1.0 + rank])})["x"] == (1 + ranks) / 2
    assert joined(torch.tensor([[rank, 0], [rank, 1]]).T.contiguous().T).tolist() == [
        [r, i] for r in range(ranks) for i in (0, 1)
    ]
    assert alone() == (ranks == 1)
    assert agreed(rank == 0, "cpu")
    assert not agreed(rank != 0, "cpu")
    assert is_writer() == (rank == 0)
    tensors = {f"whole.{k}": w for k, w in phi.items()} | {f"resumed.{k}": w for k, w in resumed.items()}
    save_tensors(out / f"rank{rank}of{ranks}.safetensors", tensors, {})
    leave()


if __name__ == "__main__":
    torch.set_num_threads(1)
    work(Path(sys.argv[1]))
