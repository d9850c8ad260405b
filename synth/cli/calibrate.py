"""`synth calibrate`: multi_signal for a corpus and a teacher of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.fusion import FuseOption, RescoreDepthOption, RescoreOption
from synth.cli.generate import MaxHoursOption, MaxRequestsOption, MaxTokensOption, TimeoutOption
from synth.cli.judging import JudgedOption, JudgeLlmOption, JudgeWithOption, refuse_idle
from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.pairs import (
    CorpusOption,
    PairsTeachersOption,
    PositiveFieldOption,
    QueryFieldOption,
    SourceArgument,
    SourceFieldOption,
    ask_teacher,
    choose_teachers,
    load_pairs,
)
from synth.errors import InputError


def calibrate(  # noqa: PLR0913 - one parameter a flag
    source: SourceArgument,
    file: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the model goes, such as miner.json.")],
    teacher: PairsTeachersOption = None,
    fuse: FuseOption = None,
    rescore: RescoreOption = None,
    rescore_depth: RescoreDepthOption = None,
    corpus: CorpusOption = None,
    llm: JudgeLlmOption = None,
    judge_with: JudgeWithOption = None,
    judged: JudgedOption = None,
    judgements: Annotated[
        int | None,
        typer.Option(
            "--judgements",
            min=1,
            help="Candidates that are judged. Default: 300 by an LLM, all by labels.",
            show_default=False,
        ),
    ] = None,
    query_field: QueryFieldOption = None,
    positive_field: PositiveFieldOption = None,
    source_field: SourceFieldOption = None,
    max_requests: MaxRequestsOption = None,
    max_tokens_total: MaxTokensOption = None,
    max_hours: MaxHoursOption = None,
    request_timeout: TimeoutOption = 600.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit `multi_signal` to your corpus, by labels or an LLM's verdicts; `synth mine --model` uses it."""
    import orjson

    from synth.cli.judging import Spending, Wish
    from synth.cli.progress import choose_reporter
    from synth.files import write_bytes
    from synth.mining.judging import Cascade
    from synth.mining.refit import refit
    from synth.store import choose_store

    if bool(llm) == (judged is not None):
        raise InputError("calibrating needs a judge: give --judged LABELS, or --llm http://HOST:8000/v1, and not both")
    refuse_idle("--judge-with", judge_with, "--llm", llm)
    if file.exists():
        raise InputError(f"{file} exists; choose another --out, or remove it")
    chosen = choose_store(store)
    wish = Wish(llm or (), judge_with or (), judged, None, None, 0, None, None)
    judges = wish.judges(Spending(max_requests, max_tokens_total, max_hours, request_timeout), chosen)
    scoring = choose_teachers(teacher, fuse, rescore, rescore_depth)
    pairs = load_pairs(source, chosen, corpus, (query_field, positive_field, source_field))
    table = ask_teacher(pairs, scoring, chosen, 100, evidence=True)
    with choose_reporter() as reporter:
        found = refit(pairs, table, Cascade(judges), judgements=judgements or (300 if llm else None), reporter=reporter)
    write_bytes(file, orjson.dumps([found.model.to_json()], option=orjson.OPT_INDENT_2))
    if as_json:
        show_json(
            {
                "file": str(file),
                "judged": found.judged,
                "answers": found.answers,
                "unknown": found.unknown,
                "rate": found.rate,
                "fitted": found.is_fitted,
            }
        )
        return
    out.print(
        f"{found.judged:,} candidates judged, {found.answers:,} of them answer their query ({found.rate:.1%}); {found.unknown:,} unknown or disputed"
    )
    what = "coefficients and rate" if found.is_fitted else "rate (for new coefficients too few were judged)"
    out.print(f"Fitted: {what}. Written: {file}")
    out.print(
        f"  synth mine {source} --strategy multi_signal --max-false-negative-rate 0.03 --model {file} --out mined"
    )
