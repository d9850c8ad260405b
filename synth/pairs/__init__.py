"""Queries, their known positives, and the passages that may be negatives: anybody's, not only ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from schemas.document import Split
from synth.errors import InputError
from synth.text import hash64, normalise


@dataclass
class Pairs:
    """Grows as rows are read. Equal texts (after NFKC, lower case, white space) are one query, or one passage.

    queries, query_ids, sources: one each a query; a source says where rows come from ('' for nowhere in particular)
    passages, passage_ids, groups, splits: one each a passage; passages of one group are never each other's
    negatives, and a query whose first positive is in train gets none of the test split
    positives: ordinals of the passages known to answer each query, in the order they were read
    skipped: rows that gave nothing, by reason
    """

    queries: list[str] = field(default_factory=list)
    query_ids: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    passages: list[str] = field(default_factory=list)
    passage_ids: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)
    positives: list[list[int]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    _query_of: dict[int, int] = field(default_factory=dict, repr=False)
    _passage_of: dict[int, int] = field(default_factory=dict, repr=False)
    _ids: set[str] = field(default_factory=set, repr=False)
    _query_ids: set[str] = field(default_factory=set, repr=False)

    @staticmethod
    def of(queries: Sequence[str], positives: Sequence[Iterable[str]], corpus: Iterable[str] = ()) -> Pairs:
        """From texts: each query's positives, at least one, and further passages. Raises InputError.

        >>> Pairs.of(["what is gold?"], [["Gold is a metal."]], ["Silver is one too."]).positives
        [[0]]
        """
        pairs = Pairs()
        for query, texts in zip(queries, positives, strict=True):
            known = [pairs.add_passage(text) for text in texts]
            if not known:
                raise InputError(f"the query {query[:60]!r} has no positive; give at least one, or leave the query out")
            pairs.add(query, known)
        for text in corpus:
            pairs.add_passage(text)
        return pairs

    def add_passage(self, text: str, id: str = "", group: str = "", split: Split = "train") -> int:  # noqa: A002
        """The passage's ordinal; a text that is there already keeps its id and group."""
        key = hash64(normalise(text))
        ordinal = self._passage_of.setdefault(key, len(self.passages))
        if ordinal == len(self.passages):
            self.passages.append(text)
            own = id or f"p-{key:016x}"
            self.passage_ids.append(f"{own}~{key:016x}" if own in self._ids else own)
            self._ids.add(own)
            self.groups.append(group)
            self.splits.append(split)
        return ordinal

    def add(self, query: str, positives: Iterable[int], id: str = "", source: str = "") -> int:  # noqa: A002
        """The query's number; what is known of a query that is there already is added to it."""
        key = hash64(normalise(query))
        number = self._query_of.setdefault(key, len(self.queries))
        if number == len(self.queries):
            self.queries.append(query)
            own = id or f"q-{key:016x}"
            self.query_ids.append(f"{own}~{key:016x}" if own in self._query_ids else own)
            self._query_ids.add(own)
            self.sources.append(source)
            self.positives.append([])
        known = self.positives[number]
        known += [ordinal for ordinal in dict.fromkeys(positives) if ordinal not in known]
        return number

    def by_text(self) -> Pairs:
        """The same with passages in the order of their texts, so that ties are broken alike however rows came."""
        order = sorted(range(len(self.passages)), key=lambda n: normalise(self.passages[n]))
        place = {old: new for new, old in enumerate(order)}
        columns = {
            name: [getattr(self, name)[n] for n in order] for name in ("passages", "passage_ids", "groups", "splits")
        }
        positives = [[place[n] for n in own] for own in self.positives]
        known = {key: place[n] for key, n in self._passage_of.items()}
        return replace(self, **columns, positives=positives, _passage_of=known)  # type: ignore[arg-type]

    @property
    def count(self) -> int:
        """Pairs of a query and a positive."""
        return sum(map(len, self.positives))
