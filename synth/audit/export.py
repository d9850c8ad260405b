"""Draw the sample of an audit and write its folder: sheets and pages for the auditors, the key for who asked them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.audit import AuditKey, AuditRow, ShownNegative, Stratum
from schemas.base import sha256_of
from schemas.manifest import Manifest
from schemas.record import TEXT_PAIR, Judgement
from synth.audit.guide import render_guide
from synth.audit.page import render_page
from synth.audit.sample import Population
from synth.audit.sheets import KEY, Line, as_csv, table_of
from synth.audit.source import AuditSource, Shown, open_source
from synth.errors import StoreError
from synth.export import check_empty
from synth.files import new_folder, write_bytes, write_model
from synth.gates.judge import Judge
from synth.store import Store, VersionRef
from synth.tasks import JUDGE
from synth.text import draw

GUIDE = "how-to.md"
MOST_NEGATIVES = 9
"""So that the number of a negative is one digit."""


@dataclass(frozen=True)
class AuditOptions:
    """How much is audited, by how many people."""

    sample: int = 100
    seed: int = 0
    auditors: int = 1
    negatives: int = 4
    """Hard negatives shown of a record, drawn where it has more."""
    separator: str = ","
    """Between the cells of a CSV."""


def export_audit(store: Store, version: VersionRef, folder: Path, options: AuditOptions) -> AuditKey:
    """Write a new folder; StoreError where `folder` holds something, or the version nothing to audit."""
    check_empty(folder)
    manifest = version.manifest
    with open_source(store, version) as source:
        chosen, strata, left_out = _draw(source, options)
    if not chosen:
        raise StoreError(f"{version} holds nothing that can be audited: no record, and no reject that has a text")
    named = {"content": manifest.content_sha256, **vars(options)}
    judge = _judge_of(manifest)
    rows, lines = _rows(chosen, options, judge)
    key = AuditKey(
        audit=f"a{sha256_of(named)[:6]}",
        dataset=str(version),
        content_sha256=manifest.content_sha256,
        seed=options.seed,
        auditors=options.auditors,
        strata=strata,
        left_out=dict(sorted(left_out.items())),
        rows=rows,
        judge=_told(judge) if any(row.judgement for row in rows) else "",
    )
    with new_folder(folder) as hidden:
        _write(hidden, key, lines, options)
    return key


def _draw(source: AuditSource, options: AuditOptions) -> tuple[list[tuple[int, Shown]], list[Stratum], Counter[str]]:
    """Each with the place of its stratum."""
    population, left_out = Population(options.sample), Counter[str]()
    for pick in source.accepted():
        population.add(draw(options.seed, "audit", pick.id), pick.id, "accepted", "", pick.task)
    for pick in source.rejected():
        if pick.left_out:
            left_out[pick.cause] += 1
        else:
            population.add(draw(options.seed, "audit", pick.id), pick.id, "rejected", pick.cause, pick.task)
    drawn = population.draw()
    places = {(each.stratum.status, name): place for place, each in enumerate(drawn) for name in each.ids}
    records = source.records([name for status, name in places if status == "accepted"])
    rejects = source.rejects([name for status, name in places if status == "rejected"])
    chosen = [(places["accepted", each.id], each) for each in records]
    chosen += [(places["rejected", each.id], each) for each in rejects]
    if len(chosen) != len(places):
        raise StoreError(
            f"{len(places)} were drawn but {len(chosen)} have texts; look at it with `synth datasets verify`"
        )
    return chosen, [each.stratum for each in drawn], left_out


def _rows(
    chosen: Sequence[tuple[int, Shown]], options: AuditOptions, judge: Judge
) -> tuple[list[AuditRow], list[Line]]:
    """Rows of the key and lines of a sheet, in an order that tells nothing."""
    order = sorted(chosen, key=lambda each: draw(options.seed, "order", each[1].id, each[1].reason))
    rows, pairs, asked = [], [], []
    for number, (place, shown) in enumerate(order, 1):
        negatives = shown.negatives
        if len(negatives) > options.negatives:
            kept = sorted(random.Random(f"{options.seed}|{shown.id}").sample(range(len(negatives)), options.negatives))
            negatives = [negatives[n] for n in kept]
        rows.append(_row(number, place, shown, negatives, judge))
        pairs.append(Line(number, shown.instruction, shown.query, shown.positives))
        if negatives:
            texts = [each["text"] for each in negatives]
            asked.append(Line(number, shown.instruction, shown.query, shown.positives, texts))
    return rows, [*pairs, *asked]


def _row(number: int, place: int, shown: Shown, negatives: Sequence[dict[str, str]], judge: Judge) -> AuditRow:
    judgement = Judgement(**shown.judgement) if shown.judgement else None
    is_text_pair = shown.method.endswith(TEXT_PAIR)
    return AuditRow(
        number=number,
        id=shown.id,
        stratum=place,
        status="rejected" if shown.gate else "accepted",
        gate=shown.gate,
        reason=shown.reason,
        task=shown.task,
        method=shown.method,
        judgement=judgement,
        kept_by_judge=judge.weigh(judgement, is_text_pair=is_text_pair).keep if judgement else None,
        negatives=[ShownNegative(passage_id=each["passage_id"], method=each["method"]) for each in negatives],
        negatives_held=len(shown.negatives),
    )


def _judge_of(manifest: Manifest) -> Judge:
    """The gate of the recipe, or one with the usual bounds where it has none."""
    settings = next((gate.settings for gate in manifest.recipe.gates if gate.name == JUDGE), {})
    return Judge(Judge.Settings(**settings))


def _told(judge: Judge) -> str:
    return ", ".join(f"{axis} {bound:g}" for axis, bound in judge.bounds.items())


def _write(folder: Path, key: AuditKey, lines: Sequence[Line], options: AuditOptions) -> None:
    write_model(folder / KEY, key)
    write_bytes(folder / GUIDE, render_guide(key, lines, options.separator).encode())
    for auditor in range(1, options.auditors + 1):
        table = table_of(lines, key.audit, auditor)
        name = f"sheet-{auditor}"
        write_bytes(folder / f"{name}.csv", as_csv(table, options.separator))
        write_bytes(folder / f"{name}.html", render_page(lines, table, name, options.separator))
