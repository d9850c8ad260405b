"""Term statistics of a corpus: what the extractive generator and BM25 both need."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from synth.files import write_parquet
from synth.text import normalise, terms

K1 = 1.2
B = 0.75


@dataclass(frozen=True)
class Lexicon:
    """Document frequencies over passages, and how often each heading or title occurs."""

    language: str
    """Whose stems the terms are; see `synth.text.terms`."""
    passages: int
    mean_length: float
    """Terms per passage."""
    terms: dict[str, int]
    """Term -> number (alphabetical order)."""
    frequency: npt.NDArray[np.int32]
    headings: dict[str, int]
    """Normalised heading or title -> number of passages that stand under it."""

    def split(self, text: str) -> list[str]:
        """Terms of a text, in order."""
        return terms(text, self.language)

    def idf(self, term: str) -> float:
        """ln(1 + (N - df + 0.5) / (df + 0.5)); a term never seen counts as df = 0."""
        number = self.terms.get(term)
        frequency = 0 if number is None else int(self.frequency[number])
        return math.log(1 + (self.passages - frequency + 0.5) / (frequency + 0.5))

    def idfs(self) -> npt.NDArray[np.float32]:
        """`idf` of every term, by number."""
        df = self.frequency.astype(np.float64)
        return np.log(1 + (self.passages - df + 0.5) / (df + 0.5)).astype(np.float32)

    def saturate(self, count: float, length: float) -> float:
        """BM25's term-frequency part for a term that occurs `count` times."""
        return count * (K1 + 1) / (count + K1 * (1 - B + B * length / self.mean_length))

    def save(self, folder: Path) -> None:
        """Two small Parquet files in `folder`."""
        table = pa.table({"term": list(self.terms), "frequency": pa.array(self.frequency)})
        facts = {"language": self.language, "passages": str(self.passages), "mean_length": repr(self.mean_length)}
        write_parquet(
            folder / "headings.parquet",
            pa.table({"heading": list(self.headings), "passages": list(self.headings.values())}, schema=_HEADINGS),
        )
        write_parquet(folder / "terms.parquet", table.replace_schema_metadata(facts))

    @staticmethod
    def load(folder: Path) -> Lexicon:
        """What `save` wrote."""
        table = pq.read_table(folder / "terms.parquet")
        headings = pq.read_table(folder / "headings.parquet").to_pydict()
        facts = table.schema.metadata
        return Lexicon(
            language=facts[b"language"].decode(),
            passages=int(facts[b"passages"]),
            mean_length=float(facts[b"mean_length"]),
            terms={term: number for number, term in enumerate(table["term"].to_pylist())},
            frequency=table["frequency"].to_numpy().astype(np.int32),
            headings=dict(zip(headings["heading"], headings["passages"], strict=True)),
        )


_HEADINGS = pa.schema([("heading", pa.string()), ("passages", pa.int64())])


def build_lexicon(passages: Iterable[tuple[str, str, str]], language: str) -> Lexicon:
    """Count terms over (title, heading, text) of every passage, streaming."""
    frequency: Counter[str] = Counter()
    headings: Counter[str] = Counter()
    number = total = 0
    for title, heading, text in passages:
        tokens = terms(text, language)
        frequency.update(set(tokens))
        headings.update({normalise(label) for label in (title, heading) if label})
        number, total = number + 1, total + len(tokens)
    ordered = sorted(frequency)
    return Lexicon(
        language=language,
        passages=number,
        mean_length=max(total / number if number else 0.0, 1.0),
        terms={term: i for i, term in enumerate(ordered)},
        frequency=np.asarray([frequency[term] for term in ordered], dtype=np.int32),
        headings=dict(sorted(headings.items())),
    )


def count_terms(lexicon: Lexicon, texts: Iterable[str]) -> Iterator[tuple[list[int], list[int], int]]:
    """For each text: term numbers, their counts, and its length in terms."""
    for text in texts:
        tokens = lexicon.split(text)
        counts = Counter(lexicon.terms[token] for token in tokens if token in lexicon.terms)
        yield list(counts), list(counts.values()), len(tokens)
