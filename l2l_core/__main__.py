"""The command line: `python -m l2l_core list|cost|train|evaluate|tune|claims|promote|pocket …`."""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from l2l_core import pocket
from l2l_core.ablations import ABLATIONS
from l2l_core.catalogue import TRIALS, trial
from l2l_core.claims import evaluate_all
from l2l_core.cost import cost
from l2l_core.distributed import is_writer, join, leave
from l2l_core.experiment import train_meta_seed
from l2l_core.pocket.bench import STORED
from l2l_core.promote import promote
from l2l_core.recipes import Recipe, recipe
from l2l_core.report import command, report, tune_baselines
from l2l_core.rule import Rule
from l2l_core.trials import Trial
from l2l_core.zoo import pretrained


def main(words: list[str] | None = None) -> None:
    """Parse the command line and run one command. User errors end with one line and exit status 2."""
    parser = _parser()
    args = parser.parse_args(words)
    try:
        args.run(args)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        parser.exit(2, f"l2l_core: {error}\n")
    finally:
        leave()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m l2l_core",
        description="Train optimizers, compare them with tuned hand-designed ones, and judge the papers' claims.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser(
        "list", help="show the recipes, the trials and the trained rules that come with the package"
    )
    one.set_defaults(run=_list)

    one = commands.add_parser("cost", help="measure for seconds how long meta-training would take, and its memory")
    _common(one, _trainable)
    one.set_defaults(run=_cost)

    one = commands.add_parser("train", help="meta-train a recipe's rule, then tune baselines and test everything")
    _common(one, _trainable)
    seeds = one.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=_natural, help="train this one meta-seed (default: all of the scale's seeds)")
    seeds.add_argument("--seeds", type=_natural, help="train the meta-seeds 0 … N−1", metavar="N")
    one.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="continue what is in the output folder (default); --no-resume refuses a folder that is not empty",
    )
    one.set_defaults(run=_train)

    one = commands.add_parser("evaluate", help="test the meta-seeds that have finished, beside tuned baselines")
    _common(one, trial)
    one.set_defaults(run=_evaluate)

    one = commands.add_parser("tune", help="search the learning rates of a trial's hand-designed baselines")
    _common(one, trial)
    one.set_defaults(run=_tune)

    one = commands.add_parser("claims", help="judge every claim of the papers from the committed results")
    one.set_defaults(run=_claims)

    one = commands.add_parser(
        "promote", help="copy a finished paper-scale run into results/ and a recipe's into the zoo"
    )
    one.add_argument("name", help="a name from `list`")
    one.add_argument("--out", type=Path, help="the run's folder (default: runs/NAME/paper)")
    one.set_defaults(run=_promote)

    one = commands.add_parser("pocket", help="hold a rule of yours against tuned baselines on ten small tasks")
    one.add_argument(
        "--rule", action="append", default=[], help="your_module:YourRule, or a trained rule's name; may be repeated"
    )
    one.add_argument("--plot", type=_svg, help="draw the performance profiles into this file", metavar="FILE.svg")
    one.add_argument("--tune", action="store_true", help="tune the baselines again, and store them in --baselines")
    one.add_argument(
        "--baselines", type=Path, default=STORED, help="where they are stored (default: in the package)", metavar="FILE"
    )
    one.set_defaults(run=_pocket)
    return parser


def _common(parser: argparse.ArgumentParser, find: Callable[[str], Trial]) -> None:
    parser.set_defaults(find=find)
    parser.add_argument("name", help="a name from `list`")
    parser.add_argument("--scale", default="smoke", help="how much: smoke (seconds) or paper (default: smoke)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto: cuda where there is one (default)")
    parser.add_argument("--out", type=Path, help="where to write (default: runs/NAME/SCALE)")


def _trainable(name: str) -> Recipe:
    return ABLATIONS[name] if name in ABLATIONS else recipe(name)


def _natural(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r} is not one of 0, 1, 2, …")
    return int(word)


def _svg(word: str) -> Path:
    path = Path(word)
    if path.suffix != ".svg" or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{word!r} does not end in .svg, or its folder is not there")
    return path


def _place(args: argparse.Namespace) -> tuple[Any, Path, str]:
    chosen = args.find(args.name)
    chosen.budget(args.scale)
    cuda = torch.cuda.is_available()
    device = ("cuda" if cuda else "cpu") if args.device == "auto" else args.device
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise ValueError(f"unknown device {args.device!r}; there are cpu, cuda and auto")
    if device == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun: one GPU a process
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    if device.startswith("cuda") and not cuda:
        raise ValueError("there is no CUDA device here; use --device cpu")
    if device.startswith("cuda:") and int(device[5:]) >= torch.cuda.device_count():
        raise ValueError(f"there are {torch.cuda.device_count()} CUDA devices here, none of them {device}")
    data = os.environ.get("L2L_DATA")
    if data:
        os.environ["L2L_DATA"] = str(Path(data).resolve())
    return chosen, args.out or Path("runs") / chosen.name / args.scale, device


def _list(args: argparse.Namespace) -> None:
    for one in TRIALS.values():
        print(f"{one.name:21} {one.summary}  [{', '.join(one.scales)}]")
    print(f"\ntrained rules: {', '.join(pretrained()) or 'none'}")


def _cost(args: argparse.Namespace) -> None:
    chosen, _, device = _place(args)
    found, budget = cost(chosen, args.scale, device=device), chosen.budget(args.scale)
    print(f"{chosen.name} at scale {args.scale}, on {device} with {torch.get_num_threads()} thread(s):")
    print(f"  a window takes {1e3 * found.window:.3g} ms, a validation {found.validation:.3g} s")
    print(f"  a meta-seed: {found.windows:,} windows, {found.validations} validations: {_hours(found.meta_seed)}")
    print(f"  {budget.seeds} meta-seeds one after another: {_hours(budget.seeds * found.meta_seed)}, and tests besides")
    print(f"  a window keeps {found.window_bytes / 1e6:.3g} MB")


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2g} hours" if seconds >= 3600 else f"{seconds / 60:.2g} minutes"


def _train(args: argparse.Namespace) -> None:
    chosen, out, device = _place(args)
    if not args.resume and out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty; resume it, delete it, or give another --out")
    shard = join(device)
    count = chosen.seeds(args.scale) if args.seeds is None else args.seeds
    for seed in range(count) if args.seed is None else [args.seed]:
        train_meta_seed(chosen, args.scale, seed, out, device=device, shard=shard, progress=_bars())
    if is_writer():
        _report(chosen, args.scale, out, device)


def _evaluate(args: argparse.Namespace) -> None:
    chosen, out, device = _place(args)
    _report(chosen, args.scale, out, device)


def _tune(args: argparse.Namespace) -> None:
    chosen, out, device = _place(args)
    for name, entry in tune_baselines(chosen, args.scale, out, device=device, progress=_bars()).items():
        print(
            f"{name:16} lr {entry['lr']:.4g}   validation {entry['validation']:.4g}   {len(entry['grid'])} rates tried"
        )


def _claims(args: argparse.Namespace) -> None:
    for claim in evaluate_all():
        print(f"{claim.id:4} {claim.verdict:18} {claim.text}")
        if claim.here:
            print(f"     {'':18} paper: {claim.paper}. Here: {claim.here}")


def _promote(args: argparse.Namespace) -> None:
    chosen = trial(args.name)
    names = promote(chosen, args.out or Path("runs") / chosen.name / "paper")
    print(f"promoted {chosen.name}: {', '.join(['its results', *names])}")


def _pocket(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # tasks are small
    torch.manual_seed(0)  # a rule that draws its weights when it is made is the same every time
    rules = {name: pocket.named_rule(name) for name in args.rule}
    known = pocket.tune_baselines(args.baselines, _bars()) if args.tune else pocket.reference(args.baselines)
    own = {name: _race(name, rule, known) for name, rule in rules.items()}
    for name, one in pocket.POCKET.items():
        print(f"{name:13} {one.summary}")
    print("\nmedian steps to the target of a task, and shares of all problems solved:")
    print(*pocket.lines(pocket.table({**known.baselines, **own})), sep="\n")
    if args.plot:
        pocket.write_plot(args.plot, known.baselines, own)


def _race(name: str, rule: Rule, known: pocket.Reference) -> pocket.Steps:
    try:
        return pocket.race(rule, known, progress=name if _bars() else None)
    except (ValueError, FloatingPointError) as error:
        raise type(error)(f"{name}: {error}") from error


def _report(chosen: Trial, scale: str, out: Path, device: str) -> None:
    metrics = report(chosen, scale, out, command(chosen, scale), device=device, progress=_bars())
    for step in metrics["seeds"][0]["at"]:
        print(f"mean loss at step {step} on {metrics['problems']['test']} test problems ({metrics['data']}):")
        for seed in metrics["seeds"]:
            print(f"  meta-seed {seed['seed']}: {seed['at'][step]['mean']:.4g}")
        for name, entry in metrics["baselines"].items():
            print(f"  {name}: {entry['at'][step]['mean']:.4g}")
    if metrics["success"]:
        runs, succeeded = metrics["success"]["runs"], metrics["success"]["succeeded"]
        print(f"{succeeded} of {runs} runs beat the best tuned baseline, {metrics['best_baseline']}, in validation")


def _bars() -> bool:
    return is_writer() and os.environ.get("L2L_STATIC") != "1"


if __name__ == "__main__":
    sys.exit(main())
