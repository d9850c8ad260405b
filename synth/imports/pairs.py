"""Rows with a query and its positives, and the three tables of a BEIR dataset."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from schemas.document import Split
from synth.errors import DocumentError
from synth.imports.sources import Beir, Rows
from synth.imports.writer import Draft, Text, VersionWriter, texts
from synth.pairs.read import (
    GROUP,
    ID,
    ID_OF_PASSAGE,
    ID_OF_QUERY,
    LABEL,
    NEGATIVE,
    POSITIVE,
    QUERY,
    choose_field,
    first_of,
    grade_of,
    passages_in,
    text_of,
)

_NUMBERED = re.compile(r"(negative|neg)[_-]?\d+", re.IGNORECASE)
_LABELS = ("label", "labels", "score", "scores", "relevance")
_SOURCE_ID = ("query_id", "query-id", "qid", "id", "_id")


@dataclass(frozen=True)
class PairFields:
    """Fields of rows; None tries the usual names."""

    query: str | None = None
    positive: str | None = None
    min_score: float | None = None
    """Of rows that have a label or a score: those below are no pairs."""


def add_pairs(rows: Rows, fields: PairFields, writer: VersionWriter) -> None:
    """A record for each positive of a row. Raises DocumentError where a row has no query or positive field, or a
    label that nobody said how to read."""
    names: tuple[str, str] | None = None
    for where, split, row in rows:
        if names is None or names[0] not in row or names[1] not in row:
            query = choose_field(row, fields.query, QUERY, where, "query")
            usual = tuple(name for name in POSITIVE if name != query.lower())
            names = query, choose_field(row, fields.positive, usual, where, "positive")
        asked, positives = row[names[0]], texts(passages_in(row[names[1]]))
        if not isinstance(asked, str) or not asked.strip():
            writer.drop(where, "no_query")
        elif not positives:
            writer.drop(where, "no_positive")
        else:
            writer.keep()
            draft = Draft(where, split, asked, positives, _negatives(row), attributes=_attributes(row))
            if _is_below(row, fields.min_score, where):
                writer.reject(draft, "below_min_score", writer.add_passage(positives[0])[1])
            else:
                writer.add(draft)


def _negatives(row: dict[str, Any]) -> list[Text]:
    names = [name for name in row if name.lower() in NEGATIVE or _NUMBERED.fullmatch(name)]
    return [text for name in names for text in texts(passages_in(row[name]))]


def _attributes(row: dict[str, Any]) -> dict[str, str]:
    """What the source calls the row, and where it says that the row is from."""
    found = {"source_id": first_of(row, _SOURCE_ID), "source": row.get("source")}
    return {name: str(value) for name, value in found.items() if value not in (None, "")}


def _is_below(row: dict[str, Any], least: float | None, where: str) -> bool:
    name = next((name for name in row if name.lower() in _LABELS and _is_number(row[name])), None)
    if name is None:
        return False
    if least is None:
        raise DocumentError(
            f"{where} has a field {name!r} ({row[name]}), so not every row may be a pair that belongs together: say with --min-score from which value on it is, or remove the field"
        )
    return grade_of(where, row[name]) < least


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def add_beir(beir: Beir, writer: VersionWriter) -> None:
    """A record for each judgement above 0, with what was judged 0 or less as negatives; the whole corpus belongs to the version.

    Memory holds the judgements, the queries and the passages that are judged, never the corpus.
    """
    judgements = list(_judgements(beir.qrels))
    corpus = _add_corpus(beir.corpus, {each.passage for each in judgements}, writer)
    queries = {str(first_of(row, ID)): (where, str(row.get("text") or "")) for where, _, row in beir.queries}
    irrelevant: dict[str, list[Text]] = defaultdict(list)
    for each in judgements:
        if each.score <= 0 and each.passage in corpus:
            irrelevant[each.query].append(corpus[each.passage])
    for each in judgements:
        _, asked = queries.get(each.query, ("", ""))
        draft = Draft(each.where, each.split, asked, [], attributes={"source_id": each.query})
        if not asked.strip():
            writer.reject(draft, "unknown_query", detail=f"the query {each.query!r} is not among the queries, or empty")
        elif each.passage not in corpus:
            writer.reject(draft, "unknown_passage", each.passage, "it is not in the corpus, or empty")
        elif each.score <= 0:
            writer.reject(draft, "not_relevant", each.passage, f"judged {each.score:g}")
        else:
            negatives = irrelevant.get(each.query, ())
            writer.add(replace(draft, positives=[corpus[each.passage]], negatives=negatives))
    judged = {each.query for each in judgements}
    for name, (where, _) in queries.items():
        if name in judged:
            writer.keep()
        else:
            writer.drop(where, "not_judged", f"no judgement names the query {name!r}")


class _Judgement(NamedTuple):
    where: str
    split: Split
    query: str
    passage: str
    score: float


def _judgements(rows: Rows) -> Iterator[_Judgement]:
    for where, split, row in rows:
        query, passage, score = (first_of(row, names) for names in (ID_OF_QUERY, ID_OF_PASSAGE, LABEL))
        yield _Judgement(where, split, str(query), str(passage), grade_of(where, score))


def _add_corpus(rows: Rows, judged: Set[str], writer: VersionWriter) -> dict[str, Text]:
    """The judged passages by id."""
    found: dict[str, Text] = {}
    for where, _, row in rows:
        body = text_of(row)
        if not body.strip():
            writer.drop(where, "empty_passage")
            continue
        text = Text(body, str(first_of(row, ID) or ""), str(first_of(row, GROUP) or ""))
        writer.add_passage(text)
        writer.keep()
        if text.id in judged:
            found[text.id] = text
    return found
