"""Who says whether a candidate answers its query after all: labels of people, LLMs, or a cascade of judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from synth.errors import DocumentError
from synth.pairs.read import ID_OF_PASSAGE, ID_OF_QUERY, LABEL, QUERY, TEXT
from synth.pairs.rows import read_rows
from synth.progress import Reporter
from synth.text import hash64, normalise

Said = Literal["answers", "disputed", "clear", "unknown"]
"""`unknown` is an abstention, for what could not be asked or read; it clears nobody."""


class Named(NamedTuple):
    """A text and its id."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with its known positives, its own first, and the candidates to be judged."""

    query: Named
    positives: tuple[Named, ...]
    candidates: tuple[Named, ...]


class Verdict(NamedTuple):
    """What a judge says of one candidate; `reason` tells why nothing is known."""

    said: Said
    reason: str = ""

    @property
    def flagged(self) -> bool:
        return self.said in ("answers", "disputed")


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict for each candidate of a query.

    doubted: neither order of the texts found that the positive answers; then what it did not find
    either is unknown instead of clear
    """

    verdicts: tuple[Verdict, ...]
    doubted: bool = False


class Judge(Protocol):
    """Gives one `Judged` for each `Asked`, in their order. Never raises for an answer that can't be read."""

    @property
    def name(self) -> str: ...

    def judge(self, asked: Sequence[Asked], reporter: Reporter, /) -> list[Judged]: ...


@dataclass(frozen=True)
class LabelJudge:
    """Labels of (query, passage), each given by its id or by its text: whatever has none is unknown.

    >>> LabelJudge.of([("q1", "d7", 1), ("q1", "What gold is.", 0)]).name
    'labels'
    """

    relevant: dict[tuple[str, str], bool]
    name: str = "labels"

    @staticmethod
    def of(labels: Sequence[tuple[str, str, float]], name: str = "labels") -> LabelJudge:
        """From (query, passage, label); above 0 is relevant. Of several labels of a pair the highest counts."""
        judge = LabelJudge({}, name)
        for query, passage, label in labels:
            judge._add(query, passage, label)
        return judge

    @staticmethod
    def read(path: Path) -> LabelJudge:
        """From rows (JSON Lines, CSV, TSV, Parquet) such as BEIR's qrels; DocumentError names a row that is none."""
        judge = LabelJudge({}, path.name)
        for where, row in read_rows(path):
            query, passage = (_value(row, names) for names in ((*ID_OF_QUERY, *QUERY), (*ID_OF_PASSAGE, *TEXT)))
            label = _value(row, LABEL)
            if query is None or passage is None or label is None:
                raise DocumentError(
                    f"{where} of {path.name} is no label: it needs a query_id or query, a doc_id or text, and a score (its fields are {', '.join(row)})"
                )
            judge._add(str(query), str(passage), _number(label, f"{where} of {path.name}"))
        return judge

    def judge(self, asked: Sequence[Asked], reporter: Reporter, /) -> list[Judged]:  # noqa: ARG002
        return [Judged(tuple(self._verdict(each.query, one) for one in each.candidates)) for each in asked]

    def _add(self, query: str, passage: str, label: float) -> None:
        for key in ((query, passage), (_key(query), _key(passage)), (query, _key(passage)), (_key(query), passage)):
            self.relevant[key] = self.relevant.get(key, False) or label > 0

    def _verdict(self, query: Named, candidate: Named) -> Verdict:
        for key in ((a, b) for a in (query.id, _key(query.text)) for b in (candidate.id, _key(candidate.text))):
            if key in self.relevant:
                return Verdict("answers" if self.relevant[key] else "clear")
        return Verdict("unknown", "unlabelled")


def _key(text: str) -> str:
    return f"{hash64(normalise(text)):016x}"


def _value(row: dict[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _number(label: Any, where: str) -> float:
    try:
        return float(label)
    except (TypeError, ValueError) as error:
        raise DocumentError(f"{where} has the label {label!r}, which is no number; 0 is not relevant") from error


@dataclass(frozen=True)
class Cascade:
    """Each judge after the first is asked only about what those before it flagged, and its word is final (RLHN).

    Where it abstains, the candidate stays `disputed`: an abstention overrules nobody (arXiv 2505.16967).
    """

    judges: Sequence[Judge] = field(default_factory=tuple)

    @property
    def name(self) -> str:
        return " then ".join(judge.name for judge in self.judges)

    def judge(self, asked: Sequence[Asked], reporter: Reporter, /) -> list[Judged]:
        first, *later = self.judges
        found = first.judge(asked, reporter)
        for judge in later:
            open_cases = [n for n, judged in enumerate(found) if any(verdict.flagged for verdict in judged.verdicts)]
            again = judge.judge([_flagged(asked[n], found[n]) for n in open_cases], reporter)
            for number, judged in zip(open_cases, again, strict=True):
                found[number] = _overruled(found[number], judged)
        return found


def _flagged(asked: Asked, judged: Judged) -> Asked:
    pairs = zip(asked.candidates, judged.verdicts, strict=True)
    return replace(asked, candidates=tuple(candidate for candidate, verdict in pairs if verdict.flagged))


def _overruled(before: Judged, later: Judged) -> Judged:
    final = iter(later.verdicts)
    verdicts = tuple(_final(next(final)) if verdict.flagged else verdict for verdict in before.verdicts)
    return Judged(verdicts, before.doubted or later.doubted)


def _final(verdict: Verdict) -> Verdict:
    return Verdict("disputed", verdict.reason) if verdict.said == "unknown" else verdict
