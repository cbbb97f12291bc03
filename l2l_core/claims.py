"""Claims of the papers, judged from `results/` by rules that were written before the runs."""

import ast
from dataclasses import dataclass
from functools import cache
from math import inf, isnan
from pathlib import Path
from textwrap import fill
from types import SimpleNamespace
from typing import Any

from l2l_core.catalogue import trial
from l2l_core.store import read_json

PACKAGE = Path(__file__).parent
RESULTS = PACKAGE / "results"

PAPERS_FOUR = ("sgd", "nag", "rmsprop", "adam")
"""The baselines of Andrychowicz et al. 2016, with Torch7's other settings."""

_SAFE = {"abs": abs, "all": all, "any": any, "max": max, "min": min, "range": range, "sum": sum}


@dataclass(frozen=True)
class Judged:
    """A claim and what became of it.

    `verdict`: "pass" (the rule holds for the mean over meta-seeds and for more than half of them), "partial"
    (for at least one), "fail" (for none), "not yet evaluated" (no rule yet, or no results that it speaks of).
    `detail` is what was measured, and `shown` says which number that is.
    """

    id: str
    text: str
    source: str
    paper: str
    rule: str
    verdict: str
    detail: str
    shown: str = ""

    @property
    def here(self) -> str:
        """Which number was measured, and that number; of a claim that was not judged, what the results lack."""
        return self.detail if self.verdict == "not yet evaluated" else f"{self.shown}: {self.detail}"


def evaluate_all(results: Path = RESULTS) -> list[Judged]:
    """Judge every claim of `claims.yml` from the results in a folder."""
    try:
        import yaml
    except ImportError as error:
        raise ImportError("reading claims.yml needs PyYAML: pip install 'l2l-core[book]'") from error
    claims = yaml.safe_load((PACKAGE / "claims.yml").read_text(encoding="utf-8"))
    return [_judge(claim, results) for claim in claims]


def tell(*ids: str, results: Path = RESULTS) -> None:
    """Print how the claims called `ids` were judged, in lines that fit a page.

    Raises ValueError, naming those there are, for an id that no claim has.
    """
    judged = {claim.id: claim for claim in evaluate_all(results)}
    if unknown := [name for name in ids if name not in judged]:
        raise ValueError(f"no claims are called {', '.join(unknown)}; there are {', '.join(judged)}")
    for claim in map(judged.get, ids):
        lines = {f"{claim.id} {claim.verdict}: {claim.text}": 3, f"   rule:  {claim.rule}": 10}
        lines |= {f"   paper: {claim.paper}": 10, f"   here:  {claim.here}": 10}
        for line, indent in lines.items():
            print(fill(line.rstrip(), 88, subsequent_indent=" " * indent, break_on_hyphens=False))


def _judge(claim: dict[str, Any], results: Path) -> Judged:
    fields = {key: claim.get(key, "") for key in ("id", "text", "source", "paper", "rule", "shown")}
    if "rule" not in claim or not (results / claim["trial"] / "curves.json").exists():
        return Judged(**fields, verdict="not yet evaluated", detail="")
    seeds = range(len(read_json(results / claim["trial"] / "curves.json")["learned"]))
    try:
        names = [_words(results, claim["trial"], seed) for seed in seeds]
        held = [bool(_evaluate(claim["rule"], words)) for words in names]
        over_all = bool(_evaluate(claim["rule"], _words(results, claim["trial"], None)))
        ours = [float(_evaluate(claim["ours"], words)) for words in names]
    except KeyError as missing:
        return Judged(**fields, verdict="not yet evaluated", detail=f"the results lack {missing}")
    except IndexError:
        return Judged(**fields, verdict="not yet evaluated", detail="the results lack meta-seeds in one of their parts")
    verdict = "pass" if over_all and sum(held) > len(held) / 2 else "partial" if any(held) else "fail"
    mean = sum(ours) / len(ours)
    spread = f" ({min(ours):.3g} to {max(ours):.3g})" if max(ours) > min(ours) else ""
    count = f"; holds for {sum(held)}/{len(held)} meta-seeds" if _is_of_the_learned(claim["rule"]) else ""
    return Judged(**fields, verdict=verdict, detail=f"{mean:.3g}{spread}{count}")


def _is_of_the_learned(rule: str) -> bool:
    """Whether a rule speaks of the learned optimizer at all; one of baselines alone has no meta-seeds."""
    nodes = list(ast.walk(ast.parse(rule)))
    words = [n.id for n in nodes if isinstance(n, ast.Name)] + [n.attr for n in nodes if isinstance(n, ast.Attribute)]
    return bool({"lstm", "typical", "total", "trait"} & set(words))


def _words(results: Path, name: str, seed: int | None) -> dict[str, Any]:
    """The words of a rule about a trial in the folder `results`, `on(name)` among them: the same of another trial."""
    folder = results / name
    if not (folder / "curves.json").exists():
        raise KeyError(name)
    metrics = read_json(folder / "metrics.json")
    if (folder / "behaviour.json").exists():
        metrics["behaviour"] = read_json(folder / "behaviour.json")["seeds"]
    words = vocabulary(read_json(folder / "curves.json"), metrics, name, seed)
    return {**words, "on": cache(lambda other: SimpleNamespace(**_words(results, other, seed)))}


def vocabulary(curves: dict[str, Any], metrics: dict[str, Any], name: str, seed: int | None) -> dict[str, Any]:
    """The words of a rule about one trial, for one meta-seed (by position) or, with None, for the mean over all.

    A loss that is NaN is infinite here: comparisons with NaN would hold or not as it happens. Raises ValueError for a
    step that was not taken, or not stored.
    """
    average = trial(name).average
    chosen = range(len(curves["learned"])) if seed is None else [seed]

    steps = curves.get("steps") or range(len(curves["learned"][0]["mean"]))
    place = {step: position for position, step in enumerate(steps)}

    def over(values: list[float], t: int, last: int = average) -> float:
        wanted = range(t - last + 1, t + 1)
        if not place.keys() >= set(wanted):
            raise ValueError(f"no steps {wanted[0]} … {t} in the curves of {name!r}")
        mean = sum(values[place[step]] for step in wanted) / last
        return inf if isnan(mean) else mean

    def learned(statistic: str, t: int) -> float:
        return sum(over(curves["learned"][k][statistic], t) for k in chosen) / len(chosen)

    def tuned(name: str, t: int) -> float:
        return over(curves["baselines"][name]["mean"], t)

    def trait(name: str) -> float:
        return sum(metrics["behaviour"][k][name] for k in chosen) / len(chosen)

    return {
        "lstm": lambda t: learned("mean", t),
        "typical": lambda t: learned("median", t),
        "tuned": tuned,
        "printed": lambda name, t: tuned(f"{name} as printed", t),
        "rival": lambda t: min(tuned(name, t) for name in PAPERS_FOUR),
        "raw": lambda name, t: over(curves["baselines"][name]["mean"], t, 1),
        "trait": trait,
        "total": sum(metrics["seeds"][k]["sum"] for k in chosen) / len(chosen),
    }


def _evaluate(expression: str, words: dict[str, Any]) -> Any:
    return eval(expression, {"__builtins__": {}, **_SAFE, **words})
