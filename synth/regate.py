"""Record gates over records that are there already: those that a refinement takes over from its version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from schemas.record import TEXT_PAIR, Pair, PassageText, Verdict
from synth.carried import read_carried
from synth.gates import RecordGate, apply_gates
from synth.shard import Workshop

_PAIR = Pair.model_fields.keys() - {"kind", "positive", "more_positives", "persona", "written"}
_TEXT = PassageText.model_fields.keys()


def judge_carried(workshop: Workshop) -> Iterator[tuple[int, Verdict]]:
    """(position, verdict) of every carried record that a record gate drops, in plan order."""
    for shard in workshop.carried if workshop.refines else ():
        for place, record in enumerate(read_carried(shard, workshop.folder).to_pylist()):
            verdicts = judge_record(record, workshop.gates)
            if verdicts and not verdicts[-1].keep:
                yield shard.start + place, verdicts[-1]


def judge_record(record: dict[str, Any], gates: Sequence[RecordGate]) -> list[Verdict]:
    """Verdicts on a published record; who asked is not stored with it, so gates see nobody."""
    fields = {name: record[name] for name in _PAIR}
    texts = [{name: each[name] for name in _TEXT} for each in (record["positive"], *record["more_positives"])]
    pair = {**fields, "positive": texts[0], "more_positives": texts[1:]}
    if fields["provenance"]["method"].endswith(TEXT_PAIR):
        pair["written"] = [each["text"] for each in record["negatives"]]
    return apply_gates(gates, Pair.model_validate(pair))
