"""Meta-training: what a run is, that it can stop, and that it can go on."""

from dataclasses import replace

import torch
from conformance import make
from torch import nn

from l2l_core import Training, Unroll, evaluate, from_module, meta_train, tbptt
from l2l_core.tasks import Quadratic

TRAINING = Training(meta_steps=12, lr=0.01, validate_every=4)


def setup(task=None, *, name="lstm", b=2, window=3, horizon=6):
    """A rule, an estimator of its meta-gradient and a validation, all small."""
    rule, task = make(name), task or Quadratic(3, dtype=torch.float64)
    estimator = tbptt(Unroll(rule, horizon), task, b, window)
    return rule, estimator, lambda phi: float(evaluate(rule, task, 4, horizon, phi=phi)[:, -1].mean())


def test_a_run_resumes_though_functions_of_its_task_have_new_addresses(tmp_path):
    def once(meta_steps):
        def make_module():
            return nn.Linear(2, 1).double()

        x = torch.ones(8, 2, dtype=torch.float64)
        task = from_module(make_module, lambda out, y: (out - y).square().mean(), x, x[:, :1], batch_size=2)
        return meta_train(*setup(task), replace(TRAINING, meta_steps=meta_steps), out=tmp_path)

    keep = once(4)
    assert [line["meta_step"] for line in once(8).history] == [0, 4, 8]
    assert keep.history[0]["meta_step"] == 0
