"""`synth enrich measure`: whether rewriting helps a teacher to find what answers a query, with a paired interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth.errors import DocumentError
from synth.mining.consistency import Bounds, consistency_filter
from synth.mining.table import retrieve
from synth.pairs import Pairs
from synth.pairs.read import first_of, text_of
from synth.pairs.rows import read_rows
from synth.progress import Reporter
from synth.store import Store
from synth.teachers.scoring import Scoring

RESAMPLES = 10_000
_AT_ONCE = 500
_ID = ("id", "_id")

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Mean recall@k over the same queries; the interval is of rewritten less original, 95 %, paired by query."""

    queries: int
    passages: int
    changed: int
    """Passages whose text differs."""
    k: int
    original: float
    rewritten: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        return self.rewritten - self.original

    @property
    def verdict(self) -> str:
        """`helps` or `harms` where the interval has no zero in it, else `no difference`: none that these queries show."""
        return "helps" if self.low > 0 else "harms" if self.high < 0 else "no difference"


def read_rewritten(file: Path) -> dict[str, str]:
    """Title and text by id, out of a file of `synth enrich documents`; DocumentError where a row has no id."""
    found: dict[str, str] = {}
    for where, row in read_rows(file):
        key = first_of(row, _ID)
        if key is None:
            raise DocumentError(f"{where} has no id: give a file that `synth enrich documents` wrote")
        found[str(key)] = text_of(row)
    return found


def compare(
    pairs: Pairs, texts: Mapping[str, str], teacher: str | Scoring, k: int, store: Store, reporter: Reporter
) -> Comparison:
    """Recall@k of every query, its passages as they are and with the text that `texts` has for their id.

    DocumentError where no passage has a text there that differs.
    """
    other = _with(pairs, texts)
    before = dict(zip(pairs.passage_ids, pairs.passages, strict=True))
    changed = sum(texts.get(key, text) != text for key, text in before.items())
    if not changed:
        raise DocumentError(
            "no passage of the labelled set has another text among the rewritten ones: rewrite its own corpus (synth enrich documents --documents FOLDER/corpus.jsonl …); they belong together by id"
        )
    recalls = [_recall(each, teacher, k, store, reporter) for each in (pairs, other)]
    asked = [query for query in recalls[0] if query in recalls[1]]
    first, second = (np.asarray([recall[query] for query in asked]) for recall in recalls)
    low, high = paired_interval(second - first)
    return Comparison(len(asked), len(before), changed, k, float(first.mean()), float(second.mean()), low, high)


def paired_interval(differences: Doubles | Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The middle 95 % of means of as many differences drawn with replacement; shape (queries,)."""
    values = np.asarray(differences, dtype=np.float64)
    source = np.random.default_rng(seed)
    means = [
        values[source.integers(0, len(values), size=(_AT_ONCE, len(values)))].mean(axis=1)
        for _ in range(RESAMPLES // _AT_ONCE)
    ]
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975)).tolist()
    return low, high


def _with(pairs: Pairs, texts: Mapping[str, str]) -> Pairs:
    """The same pairs over rewritten passages; two that are rewritten to one text are one."""
    made = Pairs()
    place = [
        made.add_passage(texts.get(key) or text, key, group, split)
        for text, key, group, split in zip(pairs.passages, pairs.passage_ids, pairs.groups, pairs.splits, strict=True)
    ]
    for query, key, positives in zip(pairs.queries, pairs.query_ids, pairs.positives, strict=True):
        made.add(query, [place[ordinal] for ordinal in positives], key)
    return made.by_text()


def _recall(pairs: Pairs, teacher: str | Scoring, k: int, store: Store, reporter: Reporter) -> dict[str, float]:
    """Share of a query's positives that rank within k, by query id."""
    table = retrieve(pairs, teacher, store=store, depth=max(2 * k, 100), evidence=False, reporter=reporter)
    judged = consistency_filter(pairs, table, Bounds(k))
    found = np.bincount(judged.query, weights=judged.rank <= k, minlength=len(pairs.queries))
    known = np.bincount(judged.query, minlength=len(pairs.queries))
    return {key: float(hits / all_) for key, hits, all_ in zip(pairs.query_ids, found, known, strict=True) if all_}
