"""Set gates over everything made so far, in plan order; the first N accepted are the dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.manifest import Funnel
from schemas.record import TEXT_PAIR, Verdict
from synth.arrays import Labels
from synth.fingerprint import SURPLUS
from synth.gates import build_set_gates
from synth.mining.suspicion import Suspicion
from synth.regate import judge_carried
from synth.shard import Shard, Workshop
from synth.view import Background, SetView

_COLUMNS = ["position", "status", "reason", "passage", "query_key", "judgement.relevance", "task", "method"]


@dataclass(frozen=True)
class Assessment:
    """What becomes of each item of the plan's prefix."""

    shards: Sequence[Shard]
    positions: npt.NDArray[np.int64]
    """Plan positions of the accepted records, ascending; at most N from 0 on, and those carried over before it."""
    set_rejects: Mapping[int, Verdict]
    """Position -> verdict of the set gate that dropped it, or `surplus` beyond N."""
    funnel: Funnel
    known_positives: Mapping[int, npt.NDArray[np.int64]]
    """Query key -> passages, for queries that were made from more than one passage."""

    @property
    def accepted(self) -> int:
        """Of the planned items."""
        return self.funnel.accepted

    @property
    def carried(self) -> int:
        """Records of the parent."""
        return len(self.positions) - self.funnel.accepted

    text_pairs: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Positions of records whose positive is no passage: nothing is mined for them."""
    suspicion: Suspicion | None = None
    """The model and bound by which short records were found and are mined for; None where none were looked for."""

    def first(self, number: int, why: str) -> Assessment:
        """The same with at most `number` accepted items; the others are surplus, for the reason given."""
        surplus = Verdict(gate="limit", keep=False, reason=SURPLUS, detail=why)
        return self.without(dict.fromkeys(self.positions[self.carried + number :].tolist(), surplus))

    def limited(self, limit: int | None) -> Assessment:
        """The same with the first of the accepted records, as many as were asked for."""
        return self if limit is None else self.first(limit, f"beyond the {limit} records asked for")

    def without(self, verdicts: Mapping[int, Verdict]) -> Assessment:
        """The same without some accepted records, given by position."""
        rejected = Counter(self.funnel.rejected) + _reasons(verdicts)
        positions = self.positions[~np.isin(self.positions, list(verdicts))]
        funnel = Funnel(
            planned=self.funnel.planned,
            accepted=int((positions >= 0).sum()),
            rejected=dict(sorted(rejected.items())),
            failed=self.funnel.failed,
        )
        return replace(self, positions=positions, set_rejects={**self.set_rejects, **verdicts}, funnel=funnel)


def assess(workshop: Workshop, shards: Sequence[Shard], limit: int | None) -> Assessment:
    """Judge the records of all `shards`: those carried over and a prefix of the plan.

    Nothing here depends on how the plan was cut into shards.
    """
    items = _read([shard.items_path(workshop.folder) for shard in shards], _COLUMNS)
    view = _view(workshop, shards, items)
    rejects = dict(judge_carried(workshop))
    alive = view.alive & ~np.isin(view.position, list(rejects))
    for gate in build_set_gates(workshop.recipe.set_gates):
        for row, verdict in gate.judge_set(view.but(alive=alive.copy())):
            alive[row] = False
            rejects[int(view.position[row])] = verdict
    positions = view.position[alive]
    funnel = _funnel(items.filter(pc.field("position") >= 0), rejects, int((positions >= 0).sum()))
    text_pairs = view.position[~view.is_searched]
    return Assessment(shards, positions, rejects, funnel, _known_positives(items), text_pairs).limited(limit)


def check_set_gates(workshop: Workshop) -> None:
    """Let set gates refuse, before anything is made, what the run can't give them; InputError."""
    for gate in build_set_gates(workshop.recipe.set_gates):
        check = getattr(gate, "check", None)
        if check is not None:
            check(background_of(workshop))


def read_items(
    folder: Path, shards: Sequence[Shard], positions: npt.NDArray[np.int64], columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Columns of the items at ascending `positions`, in order: one table for each shard that holds any."""
    for shard in shards:
        first, last = np.searchsorted(positions, (shard.start, shard.stop))
        if first < last:
            table = pq.read_table(shard.items_path(folder), columns=list(columns))
            yield table.take(pa.array(positions[first:last] - shard.start))


def _view(workshop: Workshop, shards: Sequence[Shard], items: pa.Table) -> SetView:
    passed = _labels(items["status"]) == "accepted"
    known = _read(
        [shard.scores_folder(workshop.folder) / "positives.parquet" for shard in shards], ["query", "score", "ahead"]
    )
    queries, own = np.unique(known["query"].to_numpy(), return_index=True)
    position = items["position"].to_numpy()[passed]
    searched = ~_ends(items["method"], TEXT_PAIR)[passed]
    if not np.array_equal(position[searched], queries):
        raise AssertionError("the score tables do not cover the accepted items")
    ahead, score = np.zeros(len(position), dtype=np.int64), np.full(len(position), np.inf, dtype=np.float32)
    ahead[searched], score[searched] = known["ahead"].to_numpy()[own], known["score"].to_numpy()[own]
    return SetView(
        alive=np.ones(len(position), dtype=bool),
        position=position,
        passage=items["passage"].to_numpy()[passed],
        query_key=items["query_key"].to_numpy()[passed],
        ahead=ahead,
        positive_score=score,
        pool=len(workshop.corpus),
        depth=workshop.depth,
        fetch_queries=_QueryReader(workshop.folder, shards, position),
        fetch_positives=_PositiveReader(workshop, shards, position),
        background=background_of(workshop),
        searched=searched,
        judged=items["judgement"].is_valid().to_numpy()[passed],
        task=_labels(items["task"])[passed],
    )


def background_of(workshop: Workshop) -> Background:
    """What set gates may ask of the run."""
    return Background(workshop.folder, workshop.recipe.scored_by, workshop.teacher, workshop.scoring, workshop.updated)


@dataclass(frozen=True)
class _QueryReader:
    """Reads the texts of a few queries from the shard files they lie in."""

    folder: Path
    shards: Sequence[Shard]
    position: npt.NDArray[np.int64]

    def __call__(self, rows: Sequence[int]) -> list[str]:
        wanted, places = np.unique(self.position[np.asarray(rows, dtype=np.int64)], return_inverse=True)
        tables = read_items(self.folder, self.shards, wanted, ["query"])
        texts = [text for table in tables for text in table["query"].to_pylist()]
        return [texts[place] for place in places.tolist()]


@dataclass(frozen=True)
class _PositiveReader:
    """Reads the positives of a few records: from the shard files, or the passages they are."""

    workshop: Workshop
    shards: Sequence[Shard]
    position: npt.NDArray[np.int64]

    def __call__(self, rows: Sequence[int]) -> list[list[str]]:
        wanted, places = np.unique(self.position[np.asarray(rows, dtype=np.int64)], return_inverse=True)
        tables = read_items(self.workshop.folder, self.shards, wanted, ["positive", "passage", "others"])
        items = [item for table in tables for item in table.to_pylist()]
        ordinals = sorted({ordinal for item in items for ordinal in (item["passage"], *item["others"])})
        passages = dict(zip(ordinals, self.workshop.corpus.texts(ordinals), strict=True))
        texts = [
            [item["positive"] or passages[item["passage"]], *(passages[other] for other in item["others"])]
            for item in items
        ]
        return [texts[place] for place in places.tolist()]


def _read(paths: Sequence[Path], columns: Sequence[str]) -> pa.Table:
    """Words of which there are few, each once; of a nested column what is named of it."""
    few = [name for name in columns if name in ("status", "reason", "task", "method")]
    tables = [pq.ParquetFile(path, read_dictionary=few).read(columns=list(columns)) for path in paths]
    return pa.concat_tables(tables).unify_dictionaries()


def _labels(column: pa.ChunkedArray) -> Labels:
    encoded = column.combine_chunks()
    names = np.asarray(encoded.dictionary.to_pylist(), dtype=np.object_)
    found: Labels = names[encoded.indices.to_numpy()]
    return found


def _ends(column: pa.ChunkedArray, ending: str) -> npt.NDArray[np.bool_]:
    encoded = column.combine_chunks()
    ends = np.asarray([name.endswith(ending) for name in encoded.dictionary.to_pylist()], dtype=bool)
    found: npt.NDArray[np.bool_] = ends[encoded.indices.to_numpy()]
    return found


def _funnel(items: pa.Table, rejects: Mapping[int, Verdict], accepted: int) -> Funnel:
    rejected = _reasons(rejects)
    failed: Counter[str] = Counter()
    counts = items.group_by(["status", "reason"]).aggregate([("position", "count")]).to_pylist()
    for row in counts:
        if row["status"] == "rejected":
            rejected[row["reason"]] += row["position_count"]
        elif row["status"] == "failed":
            failed[row["reason"]] += row["position_count"]
    return Funnel(
        planned=items.num_rows,
        accepted=accepted,
        rejected=dict(sorted(rejected.items())),
        failed=dict(sorted(failed.items())),
    )


def _reasons(rejects: Mapping[int, Verdict]) -> Counter[str]:
    """Of the planned items; a record that was carried over is none of them."""
    return Counter(verdict.reason for position, verdict in rejects.items() if position >= 0)


def _known_positives(items: pa.Table) -> dict[int, npt.NDArray[np.int64]]:
    """Every passage a query was made from is a positive of that query, kept or not."""
    keys, passages = items["query_key"].to_numpy(), items["passage"].to_numpy()
    made = np.flatnonzero(keys)
    made = made[np.lexsort((passages[made], keys[made]))]
    keys, passages = keys[made], passages[made]
    starts = (
        np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, dtype=np.int64)
    )
    ends = np.append(starts[1:], len(keys))
    several = ends - starts > 1
    groups = {int(keys[s]): np.unique(passages[s:e]) for s, e in zip(starts[several], ends[several], strict=True)}
    return {key: group for key, group in groups.items() if len(group) > 1}
