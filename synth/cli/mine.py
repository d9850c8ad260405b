"""`synth mine`: hard negatives for anybody's pairs."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.fusion import Ensemble, EnsembleOption, FuseOption, RescoreDepthOption, RescoreOption
from synth.cli.generate import MaxHoursOption, MaxRequestsOption, MaxTokensOption, TimeoutOption
from synth.cli.judging import (
    BandOption,
    JudgedOption,
    JudgeLlmOption,
    JudgementsOption,
    JudgeWithOption,
    MaxFlaggedOption,
    RelabelOption,
    Spending,
    TargetOption,
    Wish,
    bound_of,
    choose_bound,
    refuse_idle,
    relabel,
    show_calibration,
    show_relabelled,
)
from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.pairs import (
    CorpusOption,
    OutOption,
    PairsTeachersOption,
    PositiveFieldOption,
    QueryFieldOption,
    SourceArgument,
    SourceFieldOption,
    ask_teacher,
    choose_teachers,
    open_pairs,
)
from synth.errors import InputError

if TYPE_CHECKING:
    from synth.mining.miner import HardNegativeMiner, MinedDataset
    from synth.mining.model import FalseNegativeModel
    from synth.pairs import Pairs
    from synth.teachers.scoring import Scoring


class Strategy(StrEnum):
    naive = "naive"
    shifted = "shifted"
    abs = "abs"
    margin_pos = "margin_pos"
    perc_pos = "perc_pos"
    composite = "composite"
    multi_signal = "multi_signal"


class Anchor(StrEnum):
    min = "min"
    max = "max"
    mean = "mean"
    each = "each"


class Sampling(StrEnum):
    top = "top"
    uniform = "uniform"
    softmax = "softmax"
    top1_sampled = "top1_sampled"


class Shortfall(StrEnum):
    keep = "keep"
    drop = "drop"
    mark = "mark"


def _bound(flag: str, text: str) -> Any:
    return typer.Option(flag, help=text, show_default=False)


def mine(  # noqa: PLR0913 - one parameter a flag
    source: SourceArgument,
    folder: OutOption,
    teacher: PairsTeachersOption = None,
    fuse: FuseOption = None,
    rescore: RescoreOption = None,
    rescore_depth: RescoreDepthOption = None,
    ensemble: EnsembleOption = None,
    corpus: CorpusOption = None,
    format_name: Annotated[
        str,
        typer.Option(
            "--format",
            help="pair, triplet, n-tuple, pair-score, pair-class, margin, list, or full with ids and scores.",
        ),
    ] = "triplet",
    negatives: Annotated[int, typer.Option("--negatives", min=1, max=64, help="Wanted for a query.")] = 7,
    strategy: Annotated[
        Strategy, typer.Option("--strategy", help="The bound that every negative keeps.")
    ] = Strategy.multi_signal,
    max_score: Annotated[float | None, _bound("--max-score", "s(q,n) below it (`abs`: 0.7).")] = None,
    min_score: Annotated[float | None, _bound("--min-score", "s(q,n) at least it.")] = None,
    absolute_margin: Annotated[
        float | None, _bound("--absolute-margin", "s(q,n) below s(q,p) - it (`margin_pos`: 0.05).")
    ] = None,
    relative_margin: Annotated[
        float | None, _bound("--relative-margin", "s(q,n) below s(q,p) by more than this share (`perc_pos`: 0.05).")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="FILE", help="Of `multi_signal`, by `synth calibrate`.", show_default=False),
    ] = None,
    max_similarity: Annotated[float | None, _bound("--max-similarity", "s(p,n) at most it.")] = None,
    max_false_negative_rate: Annotated[
        float | None,
        _bound(
            "--max-false-negative-rate",
            "P(n is an unlabelled positive) at most it; `multi_signal` without it is as hard as `perc_pos`.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict/--not-strict", help="Whether a score on the bound breaks it.")
    ] = True,
    positive_anchor: Annotated[
        Anchor, typer.Option("--positive-anchor", help="Which of several positives counts; `each`: a row for each.")
    ] = Anchor.min,
    rank_min: Annotated[int | None, _bound("--rank-min", "First rank that counts (`shifted`: 11).")] = None,
    rank_max: Annotated[int, typer.Option("--rank-max", min=1, help="Last rank that counts.")] = 100,
    after_rules: Annotated[
        bool, typer.Option("--rank-after-rules", help="Count ranks among what the bounds leave.")
    ] = False,
    sampling: Annotated[
        Sampling, typer.Option("--sampling", help="Take the best that are left, or draw.")
    ] = Sampling.top,
    sample_pool: Annotated[int, typer.Option("--sample-pool", min=1, help="Draw out of so many.")] = 10,
    temperature: Annotated[float, typer.Option("--temperature", help="Of `softmax` and `top1_sampled`.")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.")] = 0,
    in_batch_margin: Annotated[
        float,
        typer.Option(
            "--in-batch-margin", min=0, help="`in_batch_mask` of full: what scores at or above s(q,p) less this."
        ),
    ] = 0.0,
    shortfall: Annotated[
        Shortfall,
        typer.Option(
            "--shortfall",
            help="Queries with fewer negatives than wanted: keep them, drop them, or mark them (column `short` of full).",
        ),
    ] = Shortfall.keep,
    target: TargetOption = None,
    relabel_as: RelabelOption = None,
    llm: JudgeLlmOption = None,
    judge_with: JudgeWithOption = None,
    judged: JudgedOption = None,
    judgements: JudgementsOption = None,
    band: BandOption = None,
    max_flagged: MaxFlaggedOption = 8,
    max_requests: MaxRequestsOption = None,
    max_tokens_total: MaxTokensOption = None,
    max_hours: MaxHoursOption = None,
    request_timeout: TimeoutOption = 600.0,
    query_field: QueryFieldOption = None,
    positive_field: PositiveFieldOption = None,
    source_field: SourceFieldOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find hard negatives for your own pairs; asking again with other bounds searches nothing again.

    With --llm or --judged the bound is chosen by a rate of false negatives, or false negatives are taken out.
    What models answer is kept in the store: asking again pays once.
    """
    from synth.export import check_format
    from synth.files import write_bytes
    from synth.mining.ensemble import combine
    from synth.scale import check_bounds
    from synth.store import choose_store

    miner = _miner(
        negatives=negatives,
        strategy=strategy.value,
        max_score=max_score,
        min_score=min_score,
        absolute_margin=absolute_margin,
        relative_margin=relative_margin,
        max_similarity=max_similarity,
        max_false_negative_rate=max_false_negative_rate,
        strict=strict,
        positive_anchor=positive_anchor.value,
        rank_min=rank_min,
        rank_max=rank_max,
        rank_basis="after_rules" if after_rules else "raw",
        sampling=sampling.value,
        sample_pool=max(sample_pool, negatives),
        temperature=temperature,
        in_batch_margin=in_batch_margin,
        seed=seed,
        shortfall=shortfall.value,
        model=_read_model(model),
    )
    wish = Wish(llm or (), judge_with or (), judged, relabel_as, band, max_flagged, target, judgements)
    check_format(format_name)
    wish.check(format_name)
    refuse_idle("--model", model, "--strategy multi_signal", miner.settings.asks_probability)
    if target is not None:
        bound_of(miner)
    chosen = choose_store(store)
    judges = wish.judges(Spending(max_requests, max_tokens_total, max_hours, request_timeout), chosen)
    scoring = choose_teachers(teacher, fuse, rescore, rescore_depth)
    if ensemble is not None:
        _check_ensemble(ensemble, scoring, miner, is_free=fuse is None and target is None and band is None)
    check_bounds(miner.settings, (scoring.each()[0] if ensemble else scoring).scale, is_chosen=target is not None)
    pairs = open_pairs(source, chosen, corpus, (query_field, positive_field, source_field), folder)
    tables = [
        ask_teacher(pairs, each, chosen, _depth(miner, pairs), miner.settings.needs_evidence)
        for each in (scoring.each() if ensemble else [scoring])
    ]
    miner, calibrated = choose_bound(wish, miner, pairs, tables[0], judges)
    found = [miner.mine(pairs, table) for table in tables]
    joined = combine(found, ensemble.value, dedup=True, weights=_weights(scoring), seed=seed) if ensemble else found[0]
    mined = relabel(wish, joined, judges)
    mined.report.calibrated = calibrated.as_dict() if calibrated else None
    path = mined.write(folder, format_name)
    write_bytes(folder / "mining.json", mined.report.as_json())
    if as_json:
        show_json({"file": str(path), **mined.report.as_dict()})
        return
    if calibrated is not None:
        show_calibration(calibrated)
    show(mined)
    few = f"; {mined.report.left_out:,} queries with too few negatives for it left out" if mined.report.left_out else ""
    out.print(
        f"\nWritten: {mined.report.rows:,} rows{few}: {path}, and what became of every candidate: {folder / 'mining.json'}"
    )
    out.print(f"  load_dataset('parquet', data_files={str(path)!r}, split='train')")


def _check_ensemble(share: Ensemble, scoring: Scoring, miner: HardNegativeMiner, *, is_free: bool) -> None:
    """InputError where teachers can't be mined with one by one; `is_free`: nothing else was asked that compares scores."""
    if len(scoring.reached) < 2:
        raise InputError("--ensemble needs several teachers; name each with --teacher")
    if not is_free:
        raise InputError(
            "--ensemble mixes negatives of several scales: leave --fuse, --band and --target-false-negative-rate out"
        )
    if miner.settings.shortfall == "drop":
        raise InputError("--ensemble needs the same rows of every teacher: take --shortfall keep, or mark")
    if share == Ensemble.intra_sample and scoring.chosen.fusion.weights:
        raise InputError("a weight does nothing with --ensemble intra_sample; leave ,weight= out, or take cross_sample")


def _weights(scoring: Scoring) -> list[float] | None:
    return scoring.chosen.fusion.weights or None


def _depth(miner: HardNegativeMiner, pairs: Pairs) -> int:
    """As deep as ranks count; deeper where they count what known positives and bounds leave."""
    settings = miner.settings
    if settings.rank_basis == "raw":
        return settings.rank_max
    return 2 * settings.rank_max + max(map(len, pairs.positives))


def _read_model(path: Path | None) -> FalseNegativeModel | None:
    if path is None:
        return None
    from synth.mining.model import read_models

    return read_models(path)[0]


def _miner(**flags: Any) -> HardNegativeMiner:
    from pydantic import ValidationError

    from synth.mining.miner import HardNegativeMiner

    for name, value in flags.items():
        if isinstance(value, float) and not isfinite(value):
            raise InputError(f"--{name.replace('_', '-')} {value} bounds nothing; give a finite number")
    try:
        return HardNegativeMiner(**flags)
    except ValidationError as error:
        first = error.errors()[0]
        flag = f"--{str(first['loc'][0]).replace('_', '-')}: " if first["loc"] else ""
        raise InputError(f"{flag}{first['msg'].removeprefix('Value error, ')}") from error


def show(mined: MinedDataset) -> None:
    """Where the candidates went, how near they came to their positive, and what to change where few are left."""
    report = mined.report
    total = max(sum(report.candidates.values()), 1)
    out.print(f"\nCandidates of {report.queries:,} rows, {report.depth} a query, by {report.teacher.get('model', '?')}")
    if report.recall:
        out.print(
            f"  found by index={report.teacher['index']}: {report.recall['mean']:.1%} of the exact best ({report.recall['low']:.1%} to {report.recall['high']:.1%}, {report.recall['queries']:,} queries)"
        )
    for name, count in report.candidates.most_common():
        out.print(f"  {name:<24}{count:>12,}  {count / total:6.1%}")
    out.print(
        f"\nNegatives: {report.negatives:,}; rows with fewer than {mined.asked}: {report.short:,}"
        + (f", dropped: {report.dropped:,}" if report.dropped else "")
    )
    if report.suspicion:
        note = f" ({report.suspicion['note']})" if report.suspicion["note"] else ""
        out.print(
            f"Left out: candidates more likely than {report.suspicion['bound']:.1%} to be unlabelled positives{note}"
        )
    if report.relabelled is not None:
        show_relabelled(report.relabelled)
    _draw(report.histogram.get("selected", []))
    if report.short > report.queries / 2:
        if report.pool <= report.settings["rank_max"]:
            out.print(
                f"More than half of the rows are short: loosen the bound, or add passages with --corpus; there are {report.pool:,} in all."
            )
            return
        each = ", or, where queries have several positives, compare with --positive-anchor each"
        has_each = report.settings["positive_anchor"] == "each"
        out.print(
            f"More than half of the rows are short: loosen the bound, search deeper with --rank-max{'' if has_each else each}."
        )


def _draw(histogram: list[int]) -> None:
    """How far negatives score below the positive, as a share of its score."""
    if not any(histogram):
        return
    from synth.mining.miner import BINS

    out.print("\nHow far the negatives score below the positive (share of its score)")
    between = [f"{low:4.0%} to {high:4.0%}" for low, high in pairwise(BINS)]
    labels = ["above it", *between, "further"]
    filled = [number for number, count in enumerate(histogram) if count]
    for number in range(filled[0], filled[-1] + 1):
        bar = "█" * round(40 * histogram[number] / max(histogram))
        out.print(f"  {labels[number]:<12} {histogram[number]:>9,} {bar}".rstrip())
