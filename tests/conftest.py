"""Every test starts from the same chance and the same threads; helpers stand in `oracles` and `conformance`."""

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import pytest
import torch
from hypothesis import settings

# no timing decides a test, and every run of the suite tries the same examples
settings.register_profile("l2l", deadline=None, derandomize=True, max_examples=25, database=None)
settings.load_profile("l2l")


@pytest.fixture(autouse=True)
def _same_chance():
    torch.manual_seed(0)
    torch.set_num_threads(1)
