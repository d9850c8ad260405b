"""Records of the parent that an update does not hold: their file, what is hashed of them, and the law they obey."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from schemas.manifest import UpdateCount
from synth.assess import Assessment
from synth.carried import RETIRED, read_carried, read_retired, read_taken, retired_row
from synth.errors import ConservationError
from synth.files import ParquetSink
from synth.fingerprint import VersionHash
from synth.shard import Workshop


def write_retired(folder: Path, workshop: Workshop, assessment: Assessment, content: VersionHash) -> Counter[str]:
    """`retired.parquet`: those that went because of their documents, then those that set gates dropped; by reason."""
    reasons: Counter[str] = Counter()
    with ParquetSink(folder / "retired.parquet", RETIRED) as sink:
        for table in _tables(workshop, assessment):
            sink.add_table(table)
            content.add_retired(table)
            reasons.update(table["reason"].to_pylist())
    return reasons


def _tables(workshop: Workshop, assessment: Assessment) -> Iterator[pa.Table]:
    for batch in read_retired(workshop.folder):
        yield pa.Table.from_batches([batch])
    for shard in workshop.carried:
        places = [position for position in range(shard.start, shard.stop) if position in assessment.set_rejects]
        records = read_carried(shard, workshop.folder).take(pa.array([p - shard.start for p in places], pa.int64()))
        verdicts = [assessment.set_rejects[position] for position in places]
        rows = [
            retired_row(record, verdict.reason, verdict.gate, verdict.score, verdict.detail)
            for record, verdict in zip(records.to_pylist(), verdicts, strict=True)
        ]
        yield pa.Table.from_pylist(rows, schema=RETIRED)


def count_update(workshop: Workshop, carried: int, retired: Counter[str]) -> UpdateCount:
    """What became of the parent's records; ConservationError where some are unaccounted for."""
    before = read_taken(workshop.folder).count
    if carried + retired.total() != before.records:
        raise ConservationError(
            f"the parent has {before.records} records but {carried} were carried over and {retired.total()} retired"
        )
    return before.model_copy(update={"carried": carried, "retired": dict(sorted(retired.items()))})
