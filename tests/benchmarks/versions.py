"""A large version: written, verified, compared with its parent and exported.

    python tests/benchmarks/versions.py [write] [verify] [diff] [export] [--rows 1000000] [--folder FOLDER]

`write`: two versions of synthetic records (a query of 12 words, a positive and 4 negatives of about 400
characters, 10 verdicts; a passage for 5 records, 0.3 rejects a record; of the second, 1 % of the
records are gone, 2 % new, 3 % changed) as publishing writes them, and beside them the same tables by
bare pyarrow in the same run, chunk by chunk in turn. The others read what `write` left in the folder;
each step is a process of its own that tells its time and peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

STEPS = ("write", "verify", "diff", "export")
CHUNK = 32_768
WORDS, TEXTS, TEXT_WORDS, QUERY_WORDS = 20_000, 20_000, 62, 12
NEGATIVES, VERDICTS, RECORDS_A_PASSAGE, PASSAGES_A_DOCUMENT, TEST = 4, 10, 5, 8, 50
DIGITS = pa.array([f"{n:04x}" for n in range(65_536)])
_VARIANTS = 1_000_003


class Texts:
    """Passages and queries by number: the same number gives the same text."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        letters = np.array(list("etaoinshrdlu"))
        lengths = random.integers(2, 10, WORDS)
        self._words = pa.array(["".join(random.choice(letters, length)) for length in lengths])
        self._bases = self.of(np.minimum(random.zipf(1.15, (TEXTS, TEXT_WORDS)), WORDS) - 1)

    def of(self, words: np.ndarray) -> pa.Array:
        """Texts of words, given as numbers, shape (texts, words)."""
        offsets = np.arange(0, words.size + 1, words.shape[1], dtype=np.int32)
        taken = self._words.take(pa.array(words.ravel()))
        return pc.binary_join(pa.ListArray.from_arrays(offsets, taken), " ")

    def passages(self, number: np.ndarray) -> pa.Array:
        told = pc.cast(pa.array(number), pa.string())
        return pc.binary_join_element_wise(self._bases.take(pa.array(number % TEXTS)), told, " No. ")

    def queries(self, number: np.ndarray) -> pa.Array:
        steps = np.arange(1, QUERY_WORDS + 1)
        return self.of((number[:, None] * 31 * steps + 7 * steps**2) % WORDS)


def ids_of(number: np.ndarray) -> pa.Array:
    """16 hexadecimal digits, all different."""
    mixed = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    parts = [DIGITS.take(pa.array((mixed >> np.uint64(shift)) & np.uint64(0xFFFF))) for shift in (48, 32, 16, 0)]
    return pc.binary_join_element_wise(*parts, "")


def document_ids(passage: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(
        "report-", pc.cast(pa.array(passage // PASSAGES_A_DOCUMENT), pa.string()), ".md", ""
    )


def passage_ids(passage: np.ndarray) -> pa.Array:
    place = pc.cast(pa.array(passage % PASSAGES_A_DOCUMENT), pa.string())
    return pc.binary_join_element_wise(document_ids(passage), place, "#")


def is_test(passage: np.ndarray) -> np.ndarray:
    found: np.ndarray = passage // PASSAGES_A_DOCUMENT % TEST == 0
    return found


def column(kind: pa.DataType, count: int, given: Any = None) -> pa.Array:
    """A column of a type: what is given, by name where it is a struct, and empty values for the rest."""
    if isinstance(given, pa.Array):
        return given.cast(kind)
    if pa.types.is_struct(kind):
        fields = [kind.field(place) for place in range(kind.num_fields)]
        return pa.StructArray.from_arrays(
            [column(each.type, count, (given or {}).get(each.name)) for each in fields], fields=fields
        )
    if pa.types.is_list(kind):
        per, values = given or (0, None)
        offsets = pa.array(np.arange(count + 1) * per, pa.int32())
        return pa.ListArray.from_arrays(offsets, column(kind.value_type, count * per, values), type=kind)
    empty: Any = "" if pa.types.is_string(kind) else 0
    return pa.repeat(pa.scalar(empty if given is None else given).cast(kind), count)


def table_of(schema: pa.Schema, count: int, given: dict[str, Any]) -> pa.Table:
    columns = []
    for each in schema:
        if each.nullable and each.name not in given:
            columns.append(pa.array([None] * count, each.type))
        else:
            columns.append(column(each.type, count, given.get(each.name)))
    return pa.table(columns, schema=schema)


def passage_columns(texts: Texts, passage: np.ndarray, scores: np.ndarray) -> dict[str, pa.Array]:
    return {
        "passage_id": passage_ids(passage),
        "document_id": document_ids(passage),
        "text": texts.passages(passage),
        "score": pa.array(scores.round(4)),
        "rank": pa.array(np.arange(len(passage)) % 100 + 1),
    }


def draws(number: np.ndarray) -> np.ndarray:
    """Shares in [0, 1) that depend on the record alone, shape (records, 1 + NEGATIVES)."""
    mixed = (number[:, None] * (1 + NEGATIVES) + np.arange(1 + NEGATIVES)).astype(np.uint64)
    for shift in (31, 27, 33):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(0xBF58476D1CE4E5B9)
    shares: np.ndarray = (mixed >> np.uint64(11)) / float(1 << 53)
    return shares


def rows_between(start: int, stop: int, edition: int, rows: int) -> np.ndarray:
    """Numbers of the records at plan positions start … stop - 1 of an edition; they are never given twice."""
    number = np.arange(start, stop)
    if edition == 1:
        return number
    fresh = number % 50 == 0
    return np.where(fresh, rows * 2 + number, number)[~(number % 100 == 1)]


def records(texts: Texts, schema: pa.Schema, number: np.ndarray, start: int, edition: int, passages: int) -> pa.Table:
    """Records at plan positions from `start` on."""
    count, position = len(number), start + np.arange(len(number))
    random = draws(number)
    passage = number // RECORDS_A_PASSAGE % passages
    drawn = (passage[:, None] + 1 + (random[:, 1:] * (passages - 1)).astype(np.int64)) % passages
    if edition == 2:
        drawn[number % 50 == 3] = (drawn[number % 50 == 3] + PASSAGES_A_DOCUMENT) % passages
    drawn = np.where(is_test(drawn), (drawn + PASSAGES_A_DOCUMENT) % passages, drawn)
    same = drawn == passage[:, None]
    drawn[same] = (drawn[same] + 1) % passages
    own = 0.5 + random[:, 0] / 2
    negatives = passage_columns(texts, drawn.ravel(), (own[:, None] - random[:, 1:] / 2).ravel())
    asked = np.where((number % 100 == 2) & (edition == 2), number + _VARIANTS, number)
    made = {
        "task": "query-from-passage",
        "method": "llm",
        "generator": "llm",
        "generator_model": "made/for-a-benchmark",
        "prompt": "query-from-passage",
        "prompt_sha256": "0" * 64,
        "persona_id": pc.binary_join_element_wise("persona-", pc.cast(pa.array(number % 500), pa.string()), ""),
        "position": pa.array(position),
        "seed": pa.array(number * 7_919),
        "query_type": "fact",
        "difficulty": "medium",
        "length": "short",
        "licence": "Apache-2.0",
    }
    verdicts = {"gate": DIGITS.take(pa.array(np.tile(np.arange(VERDICTS), count))), "keep": True}
    given = {
        "id": ids_of(number),
        "instruction": "Given a question, retrieve the passage that answers it",
        "language": "en",
        "split": DIGITS_OF_SPLIT.take(pa.array(is_test(passage).astype(np.int8))),
        "provenance": made,
        "verdicts": (VERDICTS, verdicts | {"score": pa.array(np.repeat(own, VERDICTS).round(4))}),
        "kind": "n-tuple",
        "query": texts.queries(asked),
        "positive": passage_columns(texts, passage, own),
        "negatives": (NEGATIVES, negatives | {"method": "mined"}),
        "in_batch_mask": (1, passage_ids(passage)),
        "in_batch_complete": True,
    }
    return table_of(schema, count, given)


DIGITS_OF_SPLIT = pa.array(["train", "test"])


def passage_tables(texts: Texts, schema: pa.Schema, passages: int) -> Iterator[pa.Table]:
    for start in range(0, passages, CHUNK):
        number = np.arange(start, min(start + CHUNK, passages))
        text = texts.passages(number)
        given = {"id": passage_ids(number), "document_id": document_ids(number), "text": text}
        split = DIGITS_OF_SPLIT.take(pa.array(is_test(number).astype(np.int8)))
        yield table_of(schema, len(number), given | {"end": pc.utf8_length(text), "split": split})


def reject_tables(schema: pa.Schema, rejects: int, rows: int, passages: int) -> Iterator[pa.Table]:
    for start in range(0, rejects, CHUNK):
        number = np.arange(start, min(start + CHUNK, rejects)) + rows * 4
        given = {
            "id": ids_of(number),
            "status": "rejected",
            "reason": "duplicate",
            "stage": "duplicates",
            "query": "what was refused",
            "passage_id": passage_ids(number % passages),
            "split": DIGITS_OF_SPLIT.take(pa.array(is_test(number % passages).astype(np.int8))),
            "position": pa.array(number),
            "task": "query-from-passage",
            "method": "llm",
        }
        yield table_of(schema, len(number), given)


class Clock:
    """Wall and CPU seconds of what is done inside `with`."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began[0]
        self.cpu += time.process_time() - self._began[1]


def write(folder: Path, rows: int) -> dict[str, Any]:
    """Two versions; the first is timed, with bare pyarrow beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    ours, bare = Clock(), Clock()
    told: dict[str, Any] = {}
    for edition in (1, 2):
        told = _write_version(folder, rows, edition, (ours, bare) if edition == 1 else (Clock(), None)) | told
    told |= {"ours_s": round(ours.seconds, 1), "bare_s": round(bare.seconds, 1)}
    told |= {"ours_cpu_s": round(ours.cpu, 1), "bare_cpu_s": round(bare.cpu, 1)}
    return told | {"rate": round(bare.seconds / ours.seconds, 3), "rows_a_second": round(rows / ours.seconds)}


def _write_version(folder: Path, rows: int, edition: int, clocks: tuple[Clock, Clock | None]) -> dict[str, Any]:
    from schemas.arrow import arrow_schema
    from schemas.document import Passage, RejectedSource
    from schemas.record import NTuple, Reject
    from synth.files import ParquetSink
    from synth.fingerprint import VersionHash
    from synth.publish import add_records, entry_of
    from synth.store import Store

    texts, (ours, bare) = Texts(), clocks
    store, passages, rejects = Store(folder), max(rows // RECORDS_A_PASSAGE, 400), int(rows * 0.3)
    hidden, content, written, size = store.versions / "finance" / ".made.tmp", VersionHash(), [0, 0], 0
    plain = folder / "bare.parquet"
    with ExitStack() as files:
        sinks = {
            split: files.enter_context(ParquetSink(hidden / "records" / f"{split}.parquet", arrow_schema(NTuple)))
            for split in ("train", "test")
        }
        beside = pq.ParquetWriter(plain, arrow_schema(NTuple), compression="zstd", write_page_index=True)
        for start in range(0, rows, CHUNK):
            number = rows_between(start, min(start + CHUNK, rows), edition, rows)
            table = records(texts, arrow_schema(NTuple), number, start, edition, passages)
            with ours:
                add_records(table, sinks, content)
            for place, split in enumerate(("train", "test")):
                written[place] += table.filter(pc.equal(table["split"], split)).num_rows
            if bare is not None:
                with bare:
                    beside.write_table(table, row_group_size=4_096)
                size += table.nbytes
        with bare or Clock():
            beside.close()
        with ours:
            files.close()
        with ParquetSink(hidden / "passages.parquet", arrow_schema(Passage)) as sink:
            for table in passage_tables(texts, arrow_schema(Passage), passages):
                sink.add_table(table)
        with ParquetSink(hidden / "rejects.parquet", arrow_schema(Reject)) as sink:
            for table in reject_tables(arrow_schema(Reject), rejects, rows, passages):
                sink.add_table(table)
                content.add_rejects(table)
        with ParquetSink(hidden / "rejected_sources.parquet", arrow_schema(RejectedSource)):
            pass
    told = {"bare_bytes": plain.stat().st_size, "in_memory_bytes": size}
    plain.unlink()
    with ours:
        entries = [entry_of(path, hidden) for path in sorted(hidden.rglob("*.parquet"))]
        store.claim(hidden, _manifest(entries, written, rejects, passages, content.hexdigest()))
    return told


def _manifest(entries: list[Any], written: list[int], rejects: int, passages: int, sha256: str) -> Any:
    from schemas.manifest import Funnel, Manifest, SourceCount, TeacherCard
    from synth.recipe import Choices, resolve

    recipe, accepted = resolve(Choices(domain="finance", documents=(Path("unused"),))).recipe, sum(written)
    documents = -(-passages // PASSAGES_A_DOCUMENT)
    return Manifest(
        name="finance",
        version=1,
        created="2026-11-24T00:00:00Z",
        run_id="made",
        synth_version="0",
        domain="finance",
        language=["en"],
        recipe=recipe,
        recipe_sha256=recipe.sha256,
        content_sha256=sha256,
        sources=SourceCount(read=documents, kept=documents),
        passages=passages,
        funnel=Funnel(planned=accepted + rejects, accepted=accepted, rejected={"duplicate": rejects}),
        candidates={"selected": accepted * NEGATIVES},
        negatives={"mined": accepted * NEGATIVES},
        splits=dict(zip(("train", "test"), written, strict=True)),
        methods={"llm": accepted},
        teacher=TeacherCard(name="made", identity={}, pool=passages, depth=100),
        licences={"Apache-2.0": accepted},
        files=entries,
    )


def verify(folder: Path, rows: int) -> dict[str, Any]:
    from synth.store import Store
    from synth.verify import verify_version

    return {"rows": rows, "problems": verify_version(Store(folder).find("finance@2"))}


def diff(folder: Path, rows: int) -> dict[str, Any]:
    from synth.diff import compare
    from synth.store import Store

    found = compare(Store(folder).find("finance@1"), Store(folder).find("finance@2"))
    return {"of": rows, "rows": found.rows, "columns": found.columns}


def export(folder: Path, rows: int) -> dict[str, Any]:
    from synth.export import export_version
    from synth.store import Store

    shutil.rmtree(folder / "exported", ignore_errors=True)
    result = export_version(Store(folder).find("finance@1"), "triplet", folder / "exported")
    shutil.rmtree(folder / "exported")
    return {"of": rows, "rows": dict(result.rows)}


def measured(step: str, folder: Path, rows: int) -> None:
    began = time.perf_counter()
    told = globals()[step](folder, rows)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    told |= {"wall_s": round(time.perf_counter() - began, 1), "cpu_s": round(usage.ru_utime + usage.ru_stime, 1)}
    print(json.dumps({"step": step} | told | {"peak_mb": usage.ru_maxrss // 1024}), flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("steps", nargs="*", metavar="STEP", default=STEPS, help=", ".join(STEPS))
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "versions-store")
    asked.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = asked.parse_args()
    for step in given.steps:
        if given.here:
            measured(step, given.folder, given.rows)
            continue
        again = [sys.executable, __file__, step, "--rows", str(given.rows), "--folder", str(given.folder), "--here"]
        subprocess.run(again, check=True)


if __name__ == "__main__":
    main()
