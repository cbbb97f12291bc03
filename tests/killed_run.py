"""Sittings of one small meta-training run, most of which end with SIGKILL: `killed_run.py OUT DEATH …`.

A death is WHERE:COUNT, "at the COUNT-th …": "writing" (a checkpoint lies written aside, not yet renamed into place),
"logged" (a validation stands in the log, no checkpoint knows of it yet), "stepped" (after an update of φ), or "never".
Each sitting is a process of its own; their exit statuses are printed.
"""

import os
import signal
import sys

import torch
from conformance import make, network

from l2l_core import Training, Unroll, evaluate, meta_train, store, tbptt, training

PLACES = {"writing": (store.os, "fsync"), "logged": (training._Run, "score"), "stepped": (training._Run, "advance")}


def kill_at(owner, name, count):
    """Let `owner.name` be called `count` times, and no more."""
    original, calls = getattr(owner, name), []

    def counted(*args):
        result = original(*args)
        calls.append(name)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


def sitting(out):
    rule = make("lstm-reflected").float()
    task = network(torch.float32)
    estimator = tbptt(Unroll(rule, 8), task, b=2, window=2)

    def validate(phi):
        return float(evaluate(rule, task, 3, 8, phi=phi)[:, -1].mean())

    meta_train(rule, estimator, validate, Training(20, 0.01, validate_every=4), out=out)


if __name__ == "__main__":
    out, *deaths = sys.argv[1:]
    torch.set_num_threads(1)
    torch.optim.Adam([torch.vmap(torch.sin)(torch.ones(1))])  # what PyTorch imports late, imported once
    # every third update instead of every minute: neither where windows end an episode nor where validations are
    training._Run.save_now_and_then = lambda run: run.save() if run.step % 3 == 0 else None
    for death in deaths:
        child = os.fork()
        if child == 0:
            where, _, count = death.partition(":")
            if where in PLACES:
                kill_at(*PLACES[where], int(count))
            sitting(out)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
