"""Verdicts: what a rule says of curves whose answer is known."""

import re
from math import inf, nan

import pytest
import yaml

from l2l_core.catalogue import TRIALS
from l2l_core.claims import PACKAGE, RESULTS, evaluate_all, tell, vocabulary
from l2l_core.store import read_json, write_json
from l2l_core.transfers import GRID

FOUR = ("sgd", "nag", "rmsprop", "adam")


def results(folder, ends, **others):
    """A results folder for quadratics: flat curves, one meta-seed an entry of `ends`; baselines at 0.05 or `others`."""
    flat = {"mean": [0.05] * 101, "median": [0.05] * 101}
    diverse = {name: {"mean": [end] * 101} for name, end in others.items()}
    baselines = dict.fromkeys(FOUR, flat) | diverse | {"sgd as printed": {"mean": [0.222] * 101}}
    learned = [{"seed": k, "mean": [end] * 101, "median": [end] * 101} for k, end in enumerate(ends)]
    write_json(folder / "quadratic" / "curves.json", {"learned": learned, "baselines": baselines})
    write_json(folder / "quadratic" / "metrics.json", {"seeds": [{"sum": 100 * end} for end in ends]})
    return {claim.id: claim for claim in evaluate_all(folder)}


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ([0.02, 0.02, 0.02], "pass"),
        ([0.02, 0.02, 0.04], "pass"),  # the mean is 0.0267, two of three hold
        ([0.029, 0.029, 0.05], "partial"),  # two of three hold, the mean does not
        ([0.001, 0.04, 0.04], "partial"),  # the mean holds, one of three does
        ([0.02, 0.031], "partial"),  # the mean holds, but one of two is not more than half
        ([0.04, 0.04], "fail"),
    ],
)
def test_a_claim_passes_for_the_mean_and_more_than_half_of_the_seeds(tmp_path, ends, verdict):
    assert results(tmp_path, ends)["Q1"].verdict == verdict


def test_a_claim_without_results_is_not_evaluated(tmp_path):
    judged = evaluate_all(tmp_path)
    assert {claim.verdict for claim in judged} == {"not yet evaluated"}
    assert len({claim.id for claim in judged}) == len(judged)


def test_a_curve_that_touches_its_rival_once_is_not_below_it(tmp_path):
    assert results(tmp_path, [0.049])["Q2"].verdict == "pass"
    assert results(tmp_path, [0.05])["Q2"].verdict == "fail"


@pytest.mark.parametrize("diverged", FOUR)
def test_a_baseline_that_diverged_is_no_rival(tmp_path, diverged):
    assert results(tmp_path, [0.02], **{diverged: nan})["Q2"].verdict == "pass"
    assert results(tmp_path, [0.06], **{diverged: nan})["Q2"].verdict == "fail"


def test_a_learned_rule_that_diverged_is_below_nothing(tmp_path):
    judged = results(tmp_path, [nan, nan, 0.02])
    assert (judged["Q1"].verdict, judged["Q2"].verdict) == ("partial", "partial")
    assert results(tmp_path, [nan], **dict.fromkeys(FOUR, nan))["Q2"].verdict == "fail"


def test_a_claim_about_what_the_results_lack_is_not_evaluated(tmp_path):
    results(tmp_path, [0.02])
    path = tmp_path / "quadratic" / "curves.json"
    curves = read_json(path)
    del curves["baselines"]["adam"]
    write_json(path, curves)
    judged = {claim.id: claim for claim in evaluate_all(tmp_path)}
    assert (judged["Q1"].verdict, judged["Q1"].detail) == ("not yet evaluated", "the results lack 'adam'")
    assert judged["Q1"].here == judged["Q1"].detail
    assert judged["Q3"].verdict == "pass"
    assert judged["Q3"].here == f"{judged['Q3'].shown}: {judged['Q3'].detail}"


@pytest.mark.parametrize("step", [-1, 8, 201, 205])
def test_a_rule_cannot_speak_of_steps_that_were_not_taken(step):
    curves = {"learned": [{"mean": [1.0] * 201}], "baselines": {"sgd": {"mean": [1.0] * 201}}}
    words = vocabulary(curves, {"seeds": [{"sum": 1.0}]}, "mnist", 0)
    with pytest.raises(ValueError, match="no steps"):
        words["lstm"](step)
    if step != 8:
        with pytest.raises(ValueError, match="no steps"):
            words["raw"]("sgd", step)


def test_a_noisy_step_is_the_mean_of_the_ten_that_end_there():
    curve = {"mean": [float(t) for t in range(201)]}
    curves = {"learned": [curve, curve], "baselines": dict.fromkeys(FOUR, curve)}
    metrics = {"seeds": [{"sum": 1.0}, {"sum": 3.0}]}
    words = vocabulary(curves, metrics, "mnist", None)
    assert (words["lstm"](100), words["rival"](100), words["raw"]("nag", 100)) == (95.5, 95.5, 100.0)
    assert words["total"] == 2.0
    assert vocabulary(curves, metrics, "mnist", 1)["total"] == 3.0


def test_a_rule_speaks_of_the_stored_steps_of_a_long_run_alone():
    trial = TRIALS["mnist-10000-steps"]
    curve = {"mean": [float(t) for t in trial.kept], "median": [2.0 * t for t in trial.kept]}
    curves = {"steps": trial.kept, "learned": [curve, curve], "baselines": {"adam@10000": curve}}
    words = vocabulary(curves, {"seeds": [{"sum": 1.0}] * 2}, trial.name, None)
    for t in (100, 200, 1000, 10_000):
        assert (words["lstm"](t), words["typical"](t)) == (t - 4.5, 2 * t - 9)
    assert words["tuned"]("adam@10000", 10_000) == 9995.5
    with pytest.raises(ValueError, match="no steps 3991 … 4000 in the curves of 'mnist-10000-steps'"):
        words["lstm"](4000)


def horizon(folder, at200, at10000, adam=0.1):
    """Results of long runs: medians of meta-seeds at steps 200 and 10,000."""
    trial = TRIALS["mnist-10000-steps"]
    ends = [{"median": [a if t <= 200 else b for t in trial.kept]} for a, b in zip(at200, at10000, strict=True)]
    baselines = {"adam": {"mean": [adam] * len(trial.kept)}}
    write_json(folder / trial.name / "curves.json", {"steps": trial.kept, "learned": ends, "baselines": baselines})
    write_json(folder / trial.name / "metrics.json", {"seeds": [{"sum": 1.0}] * len(ends)})
    judged = {claim.id: claim.verdict for claim in evaluate_all(folder)}
    return judged["H1"], judged["H1b"]


def test_far_beyond_its_horizon_a_rule_fails_by_climbing_or_by_falling_behind(tmp_path):
    assert horizon(tmp_path, [0.2, 0.2, 0.2], [0.3, 0.3, 0.3]) == ("pass", "pass")
    assert horizon(tmp_path, [0.2, 0.2, 0.2], [0.15, 0.15, 0.15]) == ("pass", "fail")
    assert horizon(tmp_path, [0.2, 0.2, 0.2], [0.05, 0.05, 0.05]) == ("fail", "fail")
    assert horizon(tmp_path, [0.2, 0.2, 0.2], [0.05, 0.05, nan]) == ("partial", "partial")


def grid(folder, learned, **others):
    """Results of all networks of Fig. 6: `learned(depth, width, seed)` against Adam at 0.5, or as `others` say."""
    for (depth, width), cell in GRID.items():
        adam = others.get(f"{depth}x{width}", 0.5)
        ends = [learned(depth, width, seed) for seed in range(3)]
        curves = [{"seed": k, "mean": [end] * 101} for k, end in enumerate(ends)]
        write_json(
            folder / cell.name / "curves.json", {"learned": curves, "baselines": {"adam": {"mean": [adam] * 101}}}
        )
        write_json(folder / cell.name / "metrics.json", {"seeds": [{"sum": 1.0}] * 3})
    return {claim.id: claim for claim in evaluate_all(folder)}["M7"]


def falling(depth, width, seed):
    return 0.4 - 0.005 * width


def test_the_claim_about_all_networks_reads_every_cell_and_counts_those_won(tmp_path):
    won = grid(tmp_path, falling)
    assert (won.verdict, won.detail) == ("pass", "20; holds for 3/3 meta-seeds")
    lost = grid(tmp_path, falling, **{"2x45": 0.1})
    assert (lost.verdict, lost.detail) == ("fail", "19; holds for 0/3 meta-seeds")
    rising = grid(tmp_path, lambda depth, width, seed: 0.2 + 0.05 * (depth == 2 and width == 50 and seed == 0))
    assert (rising.verdict, rising.detail) == ("partial", "20; holds for 2/3 meta-seeds")


def test_the_claim_about_all_networks_waits_for_the_last(tmp_path):
    grid(tmp_path, falling)
    (tmp_path / "mnist-1x5" / "curves.json").unlink()
    (judged,) = (claim for claim in evaluate_all(tmp_path) if claim.id == "M7")
    assert (judged.verdict, judged.detail) == ("not yet evaluated", "the results lack 'mnist-1x5'")


def photographs(folder, **ends):
    """Results of the panels of Fig. 7: a loss a meta-seed by trial, and baselines at 1 but for SGD, at 2."""
    for name, values in ends.items():
        trial = TRIALS[name.replace("_", "-")]
        flat = {end: {"mean": [end] * len(trial.kept)} for end in {*values, 1.0, 2.0}}
        baselines = {rule: flat[2.0 if rule == "sgd" else 1.0] for rule in FOUR}
        curves = {"steps": trial.kept, "learned": [flat[end] for end in values], "baselines": baselines}
        write_json(folder / trial.name / "curves.json", curves)
        write_json(folder / trial.name / "metrics.json", {"seeds": [{"sum": 1.0}] * len(values)})
    return {claim.id: claim for claim in evaluate_all(folder)}


def test_the_claims_about_photographs_hold_where_they_should(tmp_path):
    three = [0.5, 0.6, 0.7]
    panels = {"cifar_5": three, "cifar_2": three, "cifar_sub2": [1.14 * end for end in three]}
    judged = photographs(tmp_path, cifar=three, cifar_shared=[0.9] * 3, cifar_sub5=three, **panels)
    assert {judged[f"C{k}"].verdict for k in (1, 2, 3, 4, 5)} == {"pass"}
    assert judged["C4"].detail.startswith("1.14")  # the larger of 1 and 1.14


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        ("C1", {"cifar": [1.0, 1.1, inf]}),
        ("C2", {"cifar": [1.0, 1.1, inf]}),
        ("C3", {"cifar_2": [0.76] * 3}),
        ("C4", {"cifar_sub5": [0.6] * 3}),
        ("C4", {"cifar_sub2": [0.6] * 3}),
        ("C5", {"cifar_shared": [0.5] * 3}),
    ],
)
def test_the_claims_about_photographs_fail_where_they_should(tmp_path, claim, changed):
    good = dict.fromkeys(("cifar", "cifar_2", "cifar_5", "cifar_sub2", "cifar_sub5"), [0.5] * 3)
    judged = photographs(tmp_path, **{**good, "cifar_shared": [0.9] * 3, **changed})
    assert judged[claim].verdict == "fail"


def test_a_lead_that_is_lost_before_step_400_is_not_kept_until_then(tmp_path):
    judged = photographs(tmp_path, cifar=[0.5])
    assert judged["C1"].verdict == "pass"
    path = tmp_path / "cifar" / "curves.json"
    for first, last, verdict in ((350, 360, "fail"), (399, 1000, "pass"), (0, 0, "pass")):
        curves = read_json(path)
        for place, t in enumerate(TRIALS["cifar"].kept):
            curves["learned"][0]["mean"][place] = 5.0 if first <= t <= last else 0.5
        write_json(path, curves)
        assert {claim.id: claim.verdict for claim in evaluate_all(tmp_path)}["C1"] == verdict


@pytest.mark.parametrize("kind", ["seeds", "behaviour"])
def test_a_claim_waits_for_the_meta_seeds_that_a_part_of_the_results_lacks(tmp_path, kind):
    folder = tmp_path / "mnist"
    curve = {"mean": [0.2] * 201}
    write_json(folder / "curves.json", {"learned": [curve] * 3, "baselines": dict.fromkeys(FOUR, curve)})
    trait = {"step": 0.9, "size": 2, "persistence": -0.1}
    write_json(folder / "metrics.json", {"seeds": [{"sum": 1.0}] * (2 if kind == "seeds" else 3)})
    write_json(folder / "behaviour.json", {"seeds": [trait] * (2 if kind == "behaviour" else 3)})
    judged = {claim.id: claim for claim in evaluate_all(tmp_path)}
    assert judged["V1"].verdict == "not yet evaluated"
    assert "lack meta-seeds" in judged["V1"].detail


def test_every_claim_with_a_rule_names_a_trial_and_is_judged_as_soon_as_it_has_results():
    trials = {claim["id"]: claim.get("trial") for claim in yaml.safe_load((PACKAGE / "claims.yml").read_text("utf-8"))}
    for claim in evaluate_all():
        # a rule is written before the runs, and waits for all that it speaks of
        lacking = re.fullmatch("the results lack '(.*)'", claim.detail)
        needed = [trials[claim.id] or "", *([lacking[1]] if lacking and lacking[1] in TRIALS else [])]
        there = all(name and (RESULTS / name).exists() for name in needed)
        assert bool(claim.rule) == (trials[claim.id] in TRIALS), claim.id
        assert bool(claim.rule) == bool(claim.shown), claim.id
        assert there == (claim.verdict != "not yet evaluated"), claim.id
    assert {path.name for path in RESULTS.iterdir() if path.is_dir()} - {"benchmarks"} <= TRIALS.keys()


def test_claims_are_told_in_lines_that_fit_a_page(tmp_path, capsys):
    judged = results(tmp_path, [0.02, 0.02, 0.04])
    tell("Q3", "Q1", "M7", results=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 88
    heads = [line for line in lines if not line.startswith(" ")]
    assert [line.split(":")[0] for line in heads] == ["Q3 pass", "Q1 pass", "M7 not yet evaluated"]
    told = " ".join(" ".join(lines).split())
    for one in (judged["Q3"], judged["Q1"]):
        for part in (one.text, one.rule, f"paper: {one.paper}", f"here: {one.shown}: {one.detail}"):
            assert part in told
    assert lines[-1] == "   here:"  # nothing was measured


def test_a_claim_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="no claims are called Z9; there are Q1, Q2"):
        tell("Q1", "Z9")
