"""Meta-training: Adam on φ, validation, selection, and checkpoints that a kill cannot hurt."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import inf, isfinite, isnan
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from l2l_core.distributed import agreed, is_writer, mean_over_ranks
from l2l_core.evaluation import generator
from l2l_core.metagrad import tbptt
from l2l_core.rule import Rule
from l2l_core.store import load_tensors, save_tensors, strip, sweep, write_atomically
from l2l_core.tree import Params, detach, ravel, to


@dataclass(frozen=True)
class Training:
    """How φ is trained.

    `meta_steps` updates of φ by Adam; the k-th (from 0) has the learning rate `lr`/(1 + k/`slowdown`).
    `clip` bounds the meta-gradient's norm (off by default, as in the paper). Every `validate_every` updates φ
    is frozen and scored; the best φ is kept, and `patience` scores in a row without a new best end the run.
    """

    meta_steps: int
    lr: float
    validate_every: int
    slowdown: float = inf
    clip: float = inf
    patience: float = inf

    def __post_init__(self) -> None:
        if not self.clip > 0:
            raise ValueError(f"`clip` bounds a length and is above 0, got {self.clip}")

    def rate(self, step: int) -> float:
        """Adam's learning rate for the update number `step`."""
        return self.lr / (1 + step / self.slowdown)


class Trained(NamedTuple):
    """The selected φ, its validation score, and the record of every validation."""

    phi: Params
    score: float
    history: list[dict[str, float]]


def meta_train(
    rule: Rule,
    estimator: tbptt,
    validate: Callable[[Params], float],
    training: Training,
    *,
    seed: object = 0,
    out: Path | str | None = None,
    device: str = "cpu",
    progress: str | None = None,
) -> Trained:
    """Train the weights of `rule` and return those with the best validation score (lower is better).

    With `out`, a checkpoint there is written every minute and resumed from: a run that was killed ends with the
    same bits as one that was not (same machine, same number of threads). `log.jsonl` beside it has a line a
    validation. `seed` names the stream of training problems.

    Raises FloatingPointError when a meta-gradient is NaN or infinite, ValueError for a checkpoint of another
    run or a truncated one.
    """
    run = _Run(rule, estimator, training, seed, Path(out) if out else None, device)
    with tqdm(total=training.meta_steps, initial=run.step, desc=progress, disable=progress is None) as bar:
        if run.step == 0 and not run.history:
            run.score(validate)
        while run.step < training.meta_steps and run.stale < training.patience:
            run.advance()
            if run.step % training.validate_every == 0:
                run.score(validate)
                bar.set_postfix_str(f"validation {run.history[-1]['validation']:.4g}, best {run.best_score:.4g}")
            run.save_now_and_then()
            bar.update()
    run.save()
    return Trained(run.best, run.best_score, run.history)


class _Run:
    """One run's state: everything that a checkpoint holds."""

    def __init__(self, rule: Rule, estimator: tbptt, training: Training, seed: object, out: Path | None, device: str):
        self.estimator, self.training, self.out, self.device = estimator, training, out, device
        self.phi = {name: w.detach().clone().to(device) for name, w in rule.named_parameters()}
        self.adam = torch.optim.Adam(list(self.phi.values()), lr=training.lr)
        self.step, self.history, self.best, self.best_score = 0, [], self._copy(), inf
        self.spent, self.since, self.saved = 0.0, time.monotonic(), time.monotonic()
        self.worked, self.began = 0.0, time.process_time()
        self.identity = identity(self.phi, estimator, training, seed)
        if self.out is not None and is_writer():
            sweep(self.file)
            sweep(self.out / "log.jsonl")
        # the writer looks for the others, who might look before it has written
        if agreed(self.file is not None and self.file.exists(), device):
            self.load()
        else:
            self.state = estimator.init(generator("train", seed))
            if self.out is not None and is_writer():
                (self.out / "log.jsonl").unlink(missing_ok=True)  # of a run killed before its first checkpoint

    @property
    def file(self) -> Path | None:
        return None if self.out is None else self.out / "checkpoint.safetensors"

    @property
    def stale(self) -> int:
        """Validations since the best one."""
        scores = [inf if isnan(line["validation"]) else line["validation"] for line in self.history]
        return len(scores) - 1 - scores.index(min(scores)) if scores else 0

    def advance(self) -> None:
        """One window, one update of φ."""
        estimate, self.state = self.estimator.step(self.phi, self.state)
        grad = mean_over_ranks(estimate.grad)
        norm = float(ravel(grad).norm())
        if not isfinite(norm):
            raise FloatingPointError(
                f"the meta-gradient is {norm} at meta-step {self.step} (optimizee losses in its window: "
                f"{estimate.losses.min():.3g} … {estimate.losses.max():.3g}). Try a lower learning rate than "
                f"{self.training.rate(self.step):.3g}, a finite `clip`, or a smaller output scale of the rule."
            )
        shrink = min(1.0, self.training.clip / norm) if norm else 1.0
        for name, w in self.phi.items():
            w.grad = grad[name] * shrink
        self.adam.param_groups[0]["lr"] = self.training.rate(self.step)
        self.adam.step()
        self.step += 1

    def score(self, validate: Callable[[Params], float]) -> None:
        """Freeze φ, validate, keep it if it is the best so far."""
        value = validate(self.phi)
        if value < self.best_score:
            self.best, self.best_score = self._copy(), value
        line = {"meta_step": self.step, "validation": value, "best": self.best_score}
        line |= {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds}
        self.history.append(line)
        if self.out is not None and is_writer():
            self.out.mkdir(parents=True, exist_ok=True)
            with (self.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")

    def _copy(self) -> Params:
        return {name: w.clone() for name, w in self.phi.items()}

    @property
    def seconds(self) -> float:
        """Wall-clock time spent in this run, over all its sittings."""
        return round(self.spent + time.monotonic() - self.since, 2)

    @property
    def cpu_seconds(self) -> float | None:
        """Processor time of this process, likewise; None if a sitting did not record it."""
        return None if self.worked is None else round(self.worked + time.process_time() - self.began, 2)

    def save_now_and_then(self) -> None:
        if agreed(time.monotonic() - self.saved > 60, self.device):
            self.save()

    def save(self) -> None:
        if self.file is None:
            return
        self.saved = time.monotonic()
        packed = self.estimator.pack(self.state)  # every process gives its share
        if not is_writer():
            return
        state = self.adam.state_dict()["state"]
        tensors = {f"phi.{k}": w for k, w in self.phi.items()} | {f"best.{k}": w for k, w in self.best.items()}
        tensors |= {f"adam.{i}.{k}": v for i, entry in state.items() for k, v in entry.items()}
        tensors |= {f"estimator.{k}": v for k, v in packed.items()}
        facts = {
            "identity": self.identity,
            "step": self.step,
            "best_score": self.best_score,
            "history": self.history,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }
        save_tensors(self.file, tensors, facts)

    def load(self) -> None:
        tensors, facts = load_tensors(self.file)
        if "identity" not in facts:
            raise ValueError(f"{self.file} is not a checkpoint of meta-training; delete it to start again")
        stored = {k: portable(v) for k, v in facts["identity"].items()}
        # a checkpoint does not answer for settings that it was written too early to mention
        changed = sorted(k for k in stored if stored[k] != self.identity.get(k))
        if changed:
            raise ValueError(
                f"{self.file} belongs to another run: {', '.join(changed)} differ. Use another `out`, or delete it."
            )
        tensors = to(tensors, self.device)
        for name, w in strip(tensors, "phi.").items():
            self.phi[name].copy_(w)
        best = strip(tensors, "best.")
        self.best = {name: best[name] for name in self.phi}  # in the rule's order, which the file does not keep
        entries = {i: strip(tensors, f"adam.{i}.") for i in range(len(self.phi))}
        groups = self.adam.state_dict()["param_groups"]
        self.adam.load_state_dict({"state": {i: e for i, e in entries.items() if e}, "param_groups": groups})
        cpu = {k: v.cpu() for k, v in strip(tensors, "estimator.").items()}
        self.state = self.estimator.unpack(cpu, self.phi)
        self.step, self.best_score, self.history = facts["step"], facts["best_score"], facts["history"]
        self.spent, self.worked = facts["seconds"], facts.get("cpu_seconds")
        if is_writer():
            log = "".join(json.dumps(line) + "\n" for line in self.history)
            write_atomically(self.out / "log.jsonl", log.encode())


def identity(phi: Params, estimator: tbptt, training: Training, seed: object) -> dict[str, Any]:
    """What must agree for a checkpoint to be resumed; the number of steps may grow."""
    settings = {k: repr(v) for k, v in asdict(training).items() if k not in ("meta_steps", "patience")}
    unroll = estimator.unroll
    return settings | {
        "seed": str(seed),
        "start": f"{float(ravel(detach(phi)).double().sum()):.9g} over {sum(w.numel() for w in phi.values())} weights",
        "rule": portable(repr(unroll.rule)),
        "task": portable(repr(estimator.task)),
        "data": getattr(estimator.task, "source", "generated"),
        "estimator": f"b={estimator.b} window={estimator.window} horizon={unroll.horizon} {unroll.oracle.__name__}",
        "visited": str(estimator.visited),
        "stop": str(estimator.stop),
    }


def portable(text: str) -> str:
    """A description without what differs between processes of one run: addresses, and the number of the GPU."""
    return re.sub(r" at 0x[0-9a-fA-F]+|(?<='cuda):\d+(?=')", "", text)
