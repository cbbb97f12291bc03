"""`python -m l2l_core.plan`: what the ablations will cost, measured for a minute or two before they run."""

from pathlib import Path
from time import process_time

import torch

from l2l_core.ablations import ARMS, BASE
from l2l_core.cost import cost
from l2l_core.store import write_json


def plan(seconds: float = 1.0) -> dict[str, float]:
    """Processor seconds that a meta-seed of every arm will take, its test left out: `seconds` are spent on each."""
    measured = {name: cost(arm, "paper", seconds=seconds, clock=process_time) for name, arm in ARMS.items()}
    return {name: round(one.meta_seed, 1) for name, one in measured.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_json(Path("results") / BASE.name / "plan.json", plan())
