"""How varied the accepted records of a run are; nothing here changes what is published.

coverage: a value's share among the records that carry its attribute, against the recipe's
    weights (personas, and the topics that passages are about: equal shares).
cells: which combinations of persona, type, difficulty, length and language occur, out of as
    many as that number of records could fill. An attribute that no record carries is left out,
    and records that carry only some of the others are not counted.
repeats: what the gate `duplicates` dropped of all that passed the record gates, and which
    accepted queries stand, equal after normalising, in versions that other runs published
    under the same name.
regions, self-similarity: over the vectors of `synth.vectors`, of at most 20,000 queries.

Memory: some 100 bytes a record, and the vectors of the regions' leaders.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.manifest import (
    Cells,
    CellSimilarity,
    Coverage,
    Diversity,
    RegionCount,
    Repeats,
    SelfSimilarity,
    ValueShare,
)
from synth.arrays import Floats, Ints
from synth.assess import Assessment, read_items
from synth.files import read_batches
from synth.regions import Regions
from synth.shard import Workshop
from synth.store import VersionRef
from synth.teachers import DECIMALS
from synth.text import hash64, normalise
from synth.vectors import Space, Sum, region_similarity, space_of

SAMPLE = 20_000
"""Queries whose vectors are compared."""
CELL = ("persona", "query_type", "difficulty", "length", "language")
DRAWN = (*CELL, "task")
ATTRIBUTES = (*DRAWN, "topic")
VALUES_LISTED = 20
CELLS_LISTED = 10
CELL_QUERIES = 10
"""A cell of fewer queries is not listed: its mean says little."""
_BLOCK = 512

Cell = tuple[str, str]
"""Task and query type."""


def measure_diversity(workshop: Workshop, assessment: Assessment, earlier: Sequence[VersionRef]) -> Diversity | None:
    """Diversity of the accepted records, beside `earlier` versions; None where there is no record."""
    if not len(assessment.positions):
        return None
    records = _read(workshop, assessment)
    coverage = {
        name: _coverage(records[name], target) for name, target in _targets(workshop).items() if _carried(records[name])
    }
    regions, similarity = _compare(workshop, assessment, records)
    return Diversity(
        coverage=coverage,
        cells=_cells(records, coverage),
        repeats=_repeats(workshop, assessment, records, earlier),
        regions=regions,
        self_similarity=similarity,
    )


def _read(workshop: Workshop, assessment: Assessment) -> pa.Table:
    """The accepted records in plan order, without their texts; attributes as dictionaries."""
    tables = []
    topics = workshop.corpus.topics
    columns = ["id", "query_key", "passage", *DRAWN]
    for items in read_items(workshop.folder, assessment.shards, assessment.positions, columns):
        ids = pa.array([int(each, 16) for each in items["id"].to_pylist()], type=pa.uint64())
        coded = {name: items[name].dictionary_encode() for name in DRAWN}
        about = pa.chunked_array([[topics[passage] for passage in items["passage"].to_pylist()]], type=pa.string())
        coded["topic"] = about.dictionary_encode()
        tables.append(pa.table({"id": ids, "query_key": items["query_key"], **coded}))
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _codes(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Each record's value as a number, and the values."""
    whole = column.combine_chunks()
    return whole.indices.to_numpy().astype(np.int64), whole.dictionary.to_pylist()


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    codes, names = _codes(column)
    return {name: int(count) for name, count in zip(names, np.bincount(codes, minlength=len(names)), strict=True)}


def _carried(column: pa.ChunkedArray) -> bool:
    return any(count for name, count in _counts(column).items() if name)


def _targets(workshop: Workshop) -> dict[str, dict[str, float]]:
    plan = workshop.recipe.plan
    weights: dict[str, Mapping[str, float]] = {
        "persona": dict.fromkeys(workshop.personas, 1.0),
        "query_type": plan.query_type,
        "difficulty": plan.difficulty,
        "length": plan.length,
        "language": plan.language,
        "task": plan.tasks,
        "topic": dict.fromkeys(set(workshop.corpus.topics) - {""}, 1.0),
    }
    return {name: {key: each / sum(of.values()) for key, each in of.items()} for name, of in weights.items()}


def _coverage(column: pa.ChunkedArray, target: Mapping[str, float]) -> Coverage:
    counts = {name: count for name, count in _counts(column).items() if name and count}
    total = sum(counts.values())
    values = sorted(target.keys() | counts.keys())
    gaps = {value: _round(abs(counts.get(value, 0) / total - target.get(value, 0.0))) for value in values}
    listed = sorted(values, key=lambda value: (-gaps[value], value))[:VALUES_LISTED]
    return Coverage(
        records=total,
        values=len(counts),
        possible=len(values),
        largest_gap=max(gaps.values()),
        shares=[
            ValueShare(value=v, target=_round(target.get(v, 0.0)), share=_round(counts.get(v, 0) / total))
            for v in listed
        ],
    )


def _cells(records: pa.Table, coverage: Mapping[str, Coverage]) -> Cells:
    names = [name for name in CELL if name in coverage]
    cell = np.zeros(records.num_rows, dtype=np.int64)
    whole = np.ones(records.num_rows, dtype=bool)
    for name in names:
        codes, values = _codes(records[name])
        cell = cell * len(values) + codes
        whole &= np.asarray([bool(value) for value in values])[codes]
    combinations = math.prod(coverage[name].possible for name in names)
    return Cells(attributes=names, filled=len(np.unique(cell[whole])), possible=min(combinations, int(whole.sum())))


def _repeats(workshop: Workshop, assessment: Assessment, records: pa.Table, earlier: Sequence[VersionRef]) -> Repeats:
    reasons = Counter(verdict.reason for verdict in assessment.set_rejects.values())
    judged = len(assessment.positions) + reasons.total()
    dropped = reasons["duplicate"] + reasons["near_duplicate"]
    is_judged = any(gate.name == "duplicates" for gate in workshop.recipe.set_gates)
    keys = records["query_key"].to_numpy()[assessment.carried :]
    standing = np.zeros(len(keys), dtype=bool)
    for version in earlier:
        standing |= np.isin(keys, _query_keys(version))
    return Repeats(
        dropped=_round(dropped / judged) if is_judged else None,
        earlier=_round(float(standing.mean())) if len(keys) else 0.0,
        versions=len(earlier),
    )


def _query_keys(version: VersionRef) -> npt.NDArray[np.uint64]:
    """Hashes of the normalised queries of a published version."""
    batches = chain.from_iterable(read_batches(file, ["query"]) for file in version.record_files())
    keys = [
        np.asarray([hash64(normalise(query)) for query in batch["query"].to_pylist()], np.uint64) for batch in batches
    ]
    return np.concatenate([np.empty(0, dtype=np.uint64), *keys])


def _compare(workshop: Workshop, assessment: Assessment, records: pa.Table) -> tuple[RegionCount, SelfSimilarity]:
    ids = records["id"].to_numpy()
    sample = np.sort(np.argsort(ids, kind="stable")[:SAMPLE])
    tables = read_items(workshop.folder, assessment.shards, assessment.positions[sample], ["query"])
    texts = [text for table in tables for text in table["query"].to_pylist()]
    pairs = [records[name].take(pa.array(sample)).to_pylist() for name in ("task", "query_type")]
    cells = list(zip(*pairs, strict=True))
    space = space_of(workshop)
    regions = Regions(region_similarity(space, len(workshop.corpus)))
    found: list[Ints] = []
    sums: dict[Cell, Sum] = {}
    for start in range(0, len(texts), _BLOCK):
        vectors = space.queries(texts[start : start + _BLOCK])
        found.append(regions.add(vectors))
        _add(sums, cells[start : start + _BLOCK], vectors)
    return _region_count(space, regions, np.concatenate(found)), _self_similarity(sums)


def _add(sums: dict[Cell, Sum], cells: Sequence[Cell], vectors: Floats) -> None:
    rows: dict[Cell, list[int]] = {}
    for row, cell in enumerate(cells):
        rows.setdefault(cell, []).append(row)
    for cell, its in rows.items():
        more = Sum.of(vectors[its])
        sums[cell] = sums[cell] + more if cell in sums else more


def _region_count(space: Space, regions: Regions, found: Ints) -> RegionCount:
    sizes = np.bincount(found, minlength=len(regions)) / len(found)
    entropy = float(-(sizes * np.log(sizes)).sum())
    before = found[: len(found) - math.ceil(len(found) / 10)]
    return RegionCount(
        vectors=space.name,
        queries=len(found),
        similarity=regions.similarity,
        regions=len(regions),
        evenness=_round(min(1.0, entropy / math.log(len(regions)))) if len(regions) > 1 else 0.0,
        opened_by_last_tenth=len(regions) - (int(before.max()) + 1 if len(before) else 0),
    )


def _self_similarity(sums: Mapping[Cell, Sum]) -> SelfSimilarity:
    several = {cell: each for cell, each in sums.items() if each.count > 1}
    queries = sum(each.count for each in several.values())
    within = sum(each.count * each.mean_similarity for _, each in sorted(several.items()))
    listed = [
        CellSimilarity(task=task, query_type=kind, queries=each.count, similarity=_round(each.mean_similarity))
        for (task, kind), each in sorted(several.items())
        if each.count >= CELL_QUERIES
    ]
    total = functools.reduce(Sum.__add__, (each for _, each in sorted(sums.items())))
    return SelfSimilarity(
        any_two=_round(total.mean_similarity),
        within_cells=_round(within / queries) if queries else 0.0,
        most=sorted(listed, key=lambda cell: -cell.similarity)[:CELLS_LISTED],
    )


def _round(value: float) -> float:
    return round(value, DECIMALS)
