"""Mining and publishing: from judged items to an immutable version.

A version is written to a hidden folder, and `Store.claim` gives it the next free number: by
a rename, or in a bucket by a put of the manifest that fails where there is one. That is the
moment it exists. Readers never see half of it, two writers never share a number, and a
killed writer leaves nothing but a hidden folder.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.arrow import arrow_schema
from schemas.document import Passage
from schemas.facts import Facts
from schemas.manifest import FileEntry, Manifest, RecallCard, SourceCount, SuspicionCard, TeacherCard
from schemas.record import TEXT_PAIR, PassageText, Reject, Verdict
from synth.assess import Assessment
from synth.carried import RECORDS, read_carried, renewed
from synth.contaminated import count_contamination
from synth.diversity import measure_diversity
from synth.errors import ConservationError, StoreError
from synth.files import ParquetSink, copy_file, read_batches, sha256_of_file
from synth.fingerprint import VersionHash
from synth.negatives import Mined, RunMiner
from synth.perturb import Asked, Perturber, make_perturber
from synth.progress import Reporter
from synth.regate import judge_record
from synth.retired import count_update, write_retired
from synth.rows import ItemRow, make_provenance
from synth.scores import read_metadata
from synth.shard import Shard, Workshop
from synth.store import Store, VersionRef, check_name
from synth.teachers import recall_of
from synth.written import WRITE, negatives_of

if TYPE_CHECKING:
    from synth.run import RunInfo

REJECTS = arrow_schema(Reject)


@dataclass
class _Tally:
    splits: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    candidates: Counter[str] = field(default_factory=Counter)
    suspicion: dict[str, Any] | None = None
    negatives: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    content: VersionHash = field(default_factory=VersionHash)
    retired: Counter[str] | None = None
    """By reason; None for a dataset that is made anew."""
    carried: int = 0


def publish(
    run_folder: Path,
    info: RunInfo,
    workshop: Workshop,
    assessment: Assessment,
    store: Store,
    reporter: Reporter,
    partial: str = "",
) -> VersionRef:
    """Mine hard negatives, those of carried records too, write the version, claim the next number.

    `partial` says why there are fewer records than were asked for. Unchanged content returns the version that already holds it.
    """
    check_name(info.name)
    reporter.stage("mine and publish", sum(shard.stop - shard.start for shard in assessment.shards))
    hidden = store.versions / info.name / f".{info.id}.tmp"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir(parents=True)
        perturber = _open_perturber(run_folder, workshop)
        tally = _write_data(hidden, workshop, assessment, (info.licence, perturber), reporter)
        _check_conservation(assessment, tally)
        update = count_update(workshop, tally.carried, tally.retired) if tally.retired is not None else None
        before = list(store.iterate(info.name))
        after = int(info.parent.partition("@")[2] or 0)
        for existing in reversed([version for version in before if version.number >= after]):
            if existing.manifest.content_sha256 == tally.content.hexdigest():
                reporter.note(f"nothing changed since {existing}")
                return existing
        reporter.stage("measure diversity")
        others = [version for version in before if version.manifest.run_id != info.id]
        diversity = measure_diversity(workshop, assessment, others)
        manifest = _manifest(run_folder, info, workshop, assessment, tally, hidden)
        manifest = manifest.model_copy(update={"parent": info.parent, "update": update})
        return store.claim(hidden, manifest.model_copy(update={"partial": partial, "diversity": diversity}), reporter)
    except OSError as error:
        raise StoreError(
            f"can't publish to {store.where}: {error.strerror or error}; free some space or choose another --store, then `synth resume {info.id}`"
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _open_perturber(run_folder: Path, workshop: Workshop) -> Perturber | None:
    recipe = workshop.recipe
    if not recipe.perturbation.negatives:
        return None
    facts = Facts.model_validate_json((run_folder / "facts.json").read_bytes())
    return make_perturber(facts, recipe.perturbation, recipe.seed, workshop.corpus)


def _write_data(
    hidden: Path, workshop: Workshop, assessment: Assessment, given: tuple[str, Perturber | None], reporter: Reporter
) -> _Tally:
    tally = _Tally()
    licence, perturber = given
    miner = RunMiner(workshop, assessment, tally.candidates)
    licences, carried = _licences(workshop, licence), frozenset(workshop.carried)
    with ExitStack() as files:
        sinks = {
            split: files.enter_context(ParquetSink(hidden / "records" / f"{split}.parquet", RECORDS))
            for split in ("train", "test")
        }
        rejects = files.enter_context(ParquetSink(hidden / "rejects.parquet", REJECTS))
        for shard in assessment.shards:
            items = pq.read_table(shard.items_path(workshop.folder))
            if shard in carried:
                rows = _carried_of(shard, miner, tally)
            else:
                _add_rejects(items, assessment, workshop, rejects, tally)
                rows = _records_of(shard, items, miner, licences, tally)
            for row in rows:
                _add_made(row, perturber, tally)
            if rows:
                table = pa.Table.from_pylist(rows, schema=RECORDS)
                add_records(table, sinks, tally.content)
            reporter.advance(items.num_rows)
    if workshop.carried:
        tally.retired = write_retired(hidden, workshop, assessment, tally.content)
    tally.suspicion = miner.suspicion.told if miner.suspicion else None
    with ParquetSink(hidden / "passages.parquet", arrow_schema(Passage)) as sink:
        for batch in read_batches(workshop.corpus.folder / "passages.parquet"):
            sink.add_table(pa.Table.from_batches([batch]))
    copy_file(workshop.corpus.folder / "rejected_sources.parquet", hidden / "rejected_sources.parquet")
    return tally


def add_records(table: pa.Table, sinks: Mapping[str, ParquetSink], content: VersionHash) -> None:
    """Records in plan order: each to the file of its split, and hashed meanwhile."""
    with ThreadPoolExecutor(1) as hashing:
        hashed = hashing.submit(content.add_records, table)
        for split, sink in sinks.items():
            sink.add_table(table.take(pc.indices_nonzero(pc.equal(table["split"], split))))
        hashed.result()


def _records_of(
    shard: Shard, items: pa.Table, miner: RunMiner, licences: Sequence[str], tally: _Tally
) -> list[dict[str, Any]]:
    positions = miner.assessment.positions
    own = positions[(positions >= shard.start) & (positions < shard.stop)]
    rows = items.take(pa.array(own - shard.start)).to_pylist()
    records: list[dict[str, Any]] = []
    for row, mined in _mined_for(rows, [row["method"] for row in rows], shard, miner):
        mined.positives[0]["text"] = row["positive"] or mined.positives[0]["text"]
        licence = licences[row["passage"]]
        records.append(_record(row, mined, miner.workshop, licence))
        tally.written.update(each["reason"] or "kept" for each in row["written"] if each["model"])
    return records


def _carried_of(shard: Shard, miner: RunMiner, tally: _Tally) -> list[dict[str, Any]]:
    positions = miner.assessment.positions
    first, last = np.searchsorted(positions, (shard.start, shard.stop))
    kept = read_carried(shard, miner.workshop.folder).take(pa.array(positions[first:last] - shard.start)).to_pylist()
    wanted = miner.workshop.recipe.mining.negatives
    tally.carried += len(kept)
    if miner.workshop.refines:
        for record in kept:
            record["verdicts"] = [each.model_dump() for each in judge_record(record, miner.workshop.gates)]
    methods = [record["provenance"]["method"] for record in kept]
    return [renewed(*both, wanted) for both in _mined_for(kept, methods, shard, miner)]


def _mined_for(
    rows: Sequence[dict[str, Any]], methods: Sequence[str], shard: Shard, miner: RunMiner
) -> Iterator[tuple[dict[str, Any], Mined]]:
    """Each accepted item or carried record of a shard with what was mined for it: nothing for a text pair."""
    mined = miner.mine(shard) if rows else iter(())
    for row, method in zip(rows, methods, strict=True):
        yield row, (miner.unsearched(row) if method.endswith(TEXT_PAIR) else next(mined))
    if next(mined, None) is not None:
        raise ConservationError(f"shard {shard.start}-{shard.stop}: negatives were mined for more records than it has")


def _add_made(record: dict[str, Any], perturber: Perturber | None, tally: _Tally) -> None:
    """Count a record whole. Perturbed negatives come last: re-made from texts whenever a version is published, no LLM is asked."""
    if perturber is not None and not record["provenance"]["method"].endswith(TEXT_PAIR):
        asked = Asked(record["id"], record["query"], record["provenance"]["method"], record["language"])
        made = perturber.negatives(asked, PassageText(**record["positive"]))
        record["negatives"] += [negative.model_dump() for negative in made]
    tally.splits[record["split"]] += 1
    tally.methods[record["provenance"]["method"]] += 1
    tally.licences[record["provenance"]["licence"] or "unknown"] += 1
    tally.negatives.update(negative["method"] for negative in record["negatives"])


def _record(row: dict[str, Any], mined: Mined, workshop: Workshop, licence: str) -> dict[str, Any]:
    positives = mined.positives[: 1 + len(row["others"])]
    item = ItemRow(**{each.name: row[each.name] for each in fields(ItemRow)})
    provenance = make_provenance(
        item,
        workshop.recipe.generator,
        method=item.method,
        model=item.model,
        revision=item.revision,
        licence=licence,
        passage_written_by=workshop.corpus.written_by[item.passage],
    )
    prompt = provenance.prompt if item.method.endswith(TEXT_PAIR) else WRITE
    written = negatives_of(row["written"], positives[0], prompt)
    return {
        "id": row["id"],
        "instruction": row["instruction"] or workshop.recipe.instruction,
        "language": row["language"],
        "split": row["split"],
        "provenance": provenance.model_dump(),
        "verdicts": row["verdicts"],
        "attributes": row["attributes"],
        "judgement": row["judgement"],
        "kind": "n-tuple",
        "query": row["query"],
        "positive": positives[0],
        "more_positives": positives[1:],
        "negatives": [*mined.negatives, *(each.model_dump() for each in written)],
        "short": not item.method.endswith(TEXT_PAIR) and len(mined.negatives) < workshop.recipe.mining.negatives,
        "in_batch_mask": mined.in_batch_mask,
        "in_batch_complete": mined.in_batch_complete,
    }


def _add_rejects(items: pa.Table, assessment: Assessment, workshop: Workshop, sink: ParquetSink, tally: _Tally) -> None:
    rows = list(_reject_rows(items, assessment.set_rejects, workshop))
    if rows:
        table = pa.Table.from_pylist(rows, schema=REJECTS)
        sink.add_table(table)
        tally.content.add_rejects(table)


def _reject_rows(items: pa.Table, set_rejects: Any, workshop: Workshop) -> Iterator[dict[str, Any]]:
    for row in items.to_pylist():
        verdict: Verdict | None = set_rejects.get(row["position"])
        if row["status"] == "accepted" and verdict is None:
            continue
        judged = verdict is not None
        yield {
            "id": row["id"],
            "status": "rejected" if judged else row["status"],
            "reason": verdict.reason if verdict else row["reason"],
            "stage": verdict.gate if verdict else row["stage"],
            "score": verdict.score if verdict else row["score"],
            "detail": verdict.detail if verdict else row["detail"],
            "query": row["query"],
            "passage_id": workshop.corpus.ids[row["passage"]],
            "split": row["split"],
            "position": row["position"],
            "task": row["task"],
            "method": row["method"],
            "judgement": row["judgement"],
        }


def _licences(workshop: Workshop, default: str) -> list[str]:
    """Licence of the document of every passage."""
    documents = pq.read_table(workshop.corpus.folder / "documents.parquet", columns=["id", "licence"]).to_pydict()
    by_id = dict(zip(documents["id"], documents["licence"], strict=True))
    owners = pq.read_table(workshop.corpus.folder / "passages.parquet", columns=["document_id"])[
        "document_id"
    ].to_pylist()
    return [by_id[owner] or default for owner in owners]


def _check_conservation(assessment: Assessment, tally: _Tally) -> None:
    written, carried = sum(tally.splits.values()), assessment.carried
    if (written, tally.carried) != (assessment.funnel.accepted + carried, carried):
        also = f" and {carried} carried over" if carried else ""
        raise ConservationError(f"{assessment.funnel.accepted} records were accepted{also} but {written} were written")


def _manifest(
    run_folder: Path,
    info: RunInfo,
    workshop: Workshop,
    assessment: Assessment,
    tally: _Tally,
    hidden: Path,
) -> Manifest:
    recipe = workshop.recipe
    return Manifest(
        name=info.name,
        version=1,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        run_id=info.id,
        synth_version=package_version("synth"),
        domain=recipe.domain,
        language=sorted(recipe.plan.language),
        recipe=recipe,
        recipe_sha256=recipe.sha256,
        content_sha256=tally.content.hexdigest(),
        sources=SourceCount.model_validate_json((run_folder / "corpus" / "sources.json").read_bytes()),
        passages=len(workshop.corpus),
        funnel=assessment.funnel,
        candidates=dict(sorted(tally.candidates.items())),
        suspicion=SuspicionCard(**tally.suspicion) if tally.suspicion else None,
        written=dict(sorted(tally.written.items())),
        negatives=dict(sorted(tally.negatives.items())),
        splits=dict(sorted(tally.splits.items())),
        methods=dict(sorted(tally.methods.items())),
        teacher=TeacherCard(
            name=recipe.scored_by,
            identity=read_metadata(assessment.shards[0].scores_folder(workshop.folder)).teacher,
            pool=len(workshop.corpus),
            depth=workshop.depth,
            recall=RecallCard.model_validate(recall) if (recall := recall_of(workshop.teacher)) else None,
        ),
        licences=dict(sorted(tally.licences.items())),
        decontamination=count_contamination(workshop, assessment),
        files=[entry_of(path, hidden) for path in sorted(hidden.rglob("*.parquet"))],
    )


def entry_of(path: Path, folder: Path) -> FileEntry:
    """What a manifest says of a Parquet file under `folder`."""
    rows = pq.read_metadata(path).num_rows
    return FileEntry(
        path=path.relative_to(folder).as_posix(), rows=rows, bytes=path.stat().st_size, sha256=sha256_of_file(path)
    )
