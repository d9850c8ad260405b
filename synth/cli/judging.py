"""Who judges mined negatives, and what is done about it: the flags of `synth mine` that ask labels or LLMs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.output import err, out
from synth.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from synth.mining.calibrate import Calibration
    from synth.mining.judging import Judge
    from synth.mining.miner import HardNegativeMiner, MinedDataset
    from synth.mining.table import ScoreTable
    from synth.pairs import Pairs
    from synth.store import Store

JudgeLlmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--llm",
        metavar="URL|vllm:MODEL",
        help="A server that judges: http://HOST:8000/v1[,model=NAME], or vllm:MODEL to start one. Repeat for several. An API key comes from SYNTH_LLM_API_KEY.",
        show_default=False,
    ),
]
JudgeWithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-with",
        metavar="MODEL",
        help="Which model judges; repeat for a cascade, where each is asked about what the one before it flagged.",
        show_default=False,
    ),
]
JudgedOption = Annotated[
    Path | None,
    typer.Option(
        "--judged",
        metavar="PATH",
        help="Labels that judge instead of an LLM: rows of query_id or query, doc_id or text, and score; 0 is not relevant.",
        show_default=False,
    ),
]
BandOption = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--band",
        metavar="LOW HIGH",
        help="Ask only about negatives within the strategy's own measure: with multi_signal or --max-false-negative-rate P(n is an unlabelled positive), such as 0.1 0.5; otherwise the score as a share of the positive's, such as 0.8 1. Default: all.",
        show_default=False,
    ),
]
MaxFlaggedOption = Annotated[
    int, typer.Option("--max-flagged", min=0, help="Queries with more false negatives than this are dropped.")
]
TargetOption = Annotated[
    float | None,
    typer.Option(
        "--target-false-negative-rate",
        min=0.0001,
        max=0.9999,
        help="Choose the strategy's bound by it: the loosest for which the upper end of a 95 % interval is at most this.",
        show_default=False,
    ),
]
JudgementsOption = Annotated[
    int | None,
    typer.Option(
        "--judgements",
        min=1,
        help="Candidates that are judged to choose the bound. Default: 500 by an LLM, all by labels.",
        show_default=False,
    ),
]

_JUDGEMENTS = 500
_ALL = 10**9


class Relabel(StrEnum):
    drop = "drop"
    promote = "promote"
    grade = "grade"


RelabelOption = Annotated[
    Relabel | None,
    typer.Option(
        "--relabel",
        help="What becomes of negatives that are judged to answer: drop them, make them positives, or keep them with a grade in `full`.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Spending:
    """What LLMs may cost."""

    max_requests: int | None
    max_tokens: int | None
    max_hours: float | None
    request_timeout: float


def refuse_idle(flag: str, given: object, needed: str, there: object) -> None:
    """InputError where a flag was given without the one that it belongs to."""
    if given and not there:
        raise InputError(f"{flag} does nothing without {needed}; add it, or leave {flag} out")


@dataclass(frozen=True)
class Wish:
    """The flags as they were given; `check` refuses combinations that do nothing."""

    llm: Sequence[str]
    models: Sequence[str]
    labels: Path | None
    relabel: Relabel | None
    band: tuple[float, float] | None
    max_flagged: int
    target: float | None
    judgements: int | None

    def check(self, format_name: str) -> None:
        """Raises InputError before anything is asked."""
        is_judged = self.relabel is not None or self.target is not None
        if self.labels is not None and self.llm:
            raise InputError("--judged and --llm both judge; leave one out")
        if is_judged and self.labels is None and not self.llm:
            flag = "--relabel" if self.relabel else "--target-false-negative-rate"
            raise InputError(f"{flag} needs a judge: add --llm http://HOST:8000/v1, or --judged LABELS")
        if not is_judged and (self.labels is not None or self.llm):
            raise InputError(
                f"{'--llm' if self.llm else '--judged'} judges nothing by itself: add --relabel drop, or --target-false-negative-rate 0.05"
            )
        for flag, given, needed, there in (
            ("--judge-with", self.models, "--llm", self.llm),
            ("--band", self.band, "--relabel", self.relabel),
            ("--judgements", self.judgements, "--target-false-negative-rate", self.target),
        ):
            refuse_idle(flag, given, needed, there)
        if self.relabel == Relabel.grade and format_name != "full":
            raise InputError("grades stand in the format full alone: add --format full, or use --relabel drop")

    def judges(self, spending: Spending, store: Store) -> list[Judge]:
        """Labels read, or servers asked for their models; none where nothing is to be judged. Raises InputError."""
        if self.labels is not None:
            from synth.mining.judging import LabelJudge

            return [LabelJudge.read(self.labels)]
        if not self.llm:
            return []
        from synth.llm.budget import Budget
        from synth.llm.settings import reach
        from synth.mining.llm_judge import llm_judges

        budget = Budget(requests=spending.max_requests, tokens=spending.max_tokens, hours=spending.max_hours)
        how = {"budget": budget, "request_timeout": spending.request_timeout}
        return [*llm_judges(reach(self.llm).model_copy(update=how), store, self.models)]


def choose_bound(
    wish: Wish, miner: HardNegativeMiner, pairs: Pairs, table: ScoreTable, judges: Sequence[Judge]
) -> tuple[HardNegativeMiner, Calibration | None]:
    """The miner with the bound that keeps the wanted rate, and how it was found; the same one where none is wanted."""
    if wish.target is None:
        return miner, None
    from synth.cli.progress import choose_reporter
    from synth.mining.judging import Cascade

    bound = bound_of(miner)
    n = wish.judgements or (_ALL if wish.labels else _JUDGEMENTS)
    with choose_reporter() as reporter:
        found = miner.calibrate(pairs, table, Cascade(judges), target=wish.target, n=n, bound=bound, reporter=reporter)
    if found.bound is None:
        show_calibration(found, err)
        raise InputError(
            f"{found.describe()}; judge more with --judgements, or raise the target and add --relabel drop"
        )
    return miner.changed(**{bound: found.bound}), found


def bound_of(miner: HardNegativeMiner) -> str:
    """The bound of its strategy; InputError where there is none to choose, or where its value was given."""
    from synth.mining.calibrate import BOUND_OF

    strategy = miner.settings.strategy
    if strategy not in BOUND_OF:
        raise InputError(
            f"the strategy {strategy!r} has no bound to choose by --target-false-negative-rate; use one of {', '.join(BOUND_OF)}"
        )
    bound = BOUND_OF[strategy]
    for name in (bound, "relative_margin") if strategy == "multi_signal" else (bound,):
        if getattr(miner.settings, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} is what --target-false-negative-rate chooses; leave one of them out")
    return bound


def relabel(wish: Wish, mined: MinedDataset, judges: Sequence[Judge]) -> MinedDataset:
    """The same where nothing is to be relabelled."""
    if wish.relabel is None:
        return mined
    from synth.cli.progress import choose_reporter
    from synth.mining.relabel import relabel_false_negatives

    with choose_reporter() as reporter:
        return relabel_false_negatives(
            mined,
            judges,
            action=wish.relabel.value,
            band=wish.band,
            max_flagged=wish.max_flagged,
            reporter=reporter,
        )


def show_calibration(found: Calibration, console: Console = out) -> None:
    """Every value with its rate and interval, the chosen one marked, and what each source says."""
    console.print(
        f"\nFalse negatives by {found.wanted.bound}: {found.judged:,} judged by {found.judge}, {found.unknown:,} unknown"
        + (f", {found.doubted:,} queries whose positive is doubted" if found.doubted else "")
    )
    console.print(f"  {'bound':>10}{'rate':>8}{'95 % interval':>18}{'judged':>9}{'negatives a row':>18}")
    for point in found.overall.points:
        interval = f"{point.low:.1%} to {point.high:.1%}"
        mark = "  chosen" if point is found.overall.chosen else ""
        console.print(
            f"  {point.bound:>10g}{point.rate:>8.1%}{interval:>18}{point.judged:>9,}{point.negatives:>18.1f}{mark}"
        )
    for name, curve in found.by_source.items():
        there = next((point for point in curve.points if point.bound == found.bound), None)
        own = f"alone it would take {curve.chosen.bound:g}" if curve.chosen else "alone no value keeps the target"
        console.print(f"  {name or 'no source'}: {f'{there.describe()}; ' if there else ''}{own}")


def show_relabelled(told: dict[str, Any]) -> None:
    """What was asked and said, which adds up, and what became of the negatives."""
    said, negatives = told["verdicts"], told["negatives"]
    parts = " + ".join(f"{name} {said[name]:,}" for name in ("answers", "disputed", "clear", "unknown"))
    why = ", ".join(f"{reason} {count:,}" for reason, count in told["unknown"].items())
    band, measure = told["band"], {"share": "score / positive's", "probability": "P(false negative)"}[told["band_of"]]
    where = f" with {measure} in {band[0]:g} to {band[1]:g}" if band else ""
    out.print(f"\nJudged by {told['judge']}: {said['asked']:,} asked{where} = {parts}{f' ({why})' if why else ''}")
    out.print(
        f"Kept as negatives {negatives['kept']:,}, dropped {negatives['dropped']:,}, made positives {negatives['promoted']:,}"
        + "".join(f"; queries dropped: {reason} {count:,}" for reason, count in told["dropped_queries"].items())
    )
    if told["doubted_positives"]:
        out.print(f"Queries whose own positive the judge does not find answering: {told['doubted_positives']:,}")
    if "unasked" in told["unknown"]:
        out.print("The budget was spent; the same command with a larger one asks only what is missing.")
