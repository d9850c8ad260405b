"""The miner beside bare FAISS and sentence-transformers, and over score tables of a million queries.

    python tests/benchmarks/mining.py [search] [peer] [remine] [--repeats 3]

`search`: 20k queries x 100k passages x 384 dimensions, 100 deep: bare `faiss.knn`, then our search with
`perc_pos`, then with `multi_signal` (passages of 45 words), in turn, each in a process of its own. `peer`: the same vectors through sentence-transformers'
`mine_hard_negatives`. `remine`: another strategy over a table of 1M queries x 100.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

QUERIES, PASSAGES, DIMENSION, DEPTH = 20_000, 100_000, 384, 100


def vectors() -> tuple[np.ndarray, np.ndarray]:
    """Passages in clusters, and queries near one passage each, so that margins mean something."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((2_000, DIMENSION), dtype=np.float32)
    passages = centres[np.arange(PASSAGES) % len(centres)] + 0.8 * random.standard_normal(
        (PASSAGES, DIMENSION), dtype=np.float32
    )
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    queries = passages[:QUERIES] + 0.03 * random.standard_normal((QUERIES, DIMENSION), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return queries, passages


class Given:
    """A teacher whose vectors are there already: what is measured is search and mining, as `teachers.dense` does them."""

    identity = {"model": "given"}

    def __init__(self, queries: np.ndarray, passages: np.ndarray) -> None:
        from synth.search import Searcher

        self._queries, self._passages, self._asked = queries, passages, 0
        self._searcher = Searcher(passages)

    def queries_at_a_time(self, depth: int) -> int:
        from synth.teachers.dense import HITS, MULTIPLES, WORK

        return min(HITS // depth, WORK // self._passages.size) // MULTIPLES * MULTIPLES

    def index(self, corpus: object, reporter: object) -> None:
        pass

    def embed_queries(self, queries: Sequence[str]) -> np.ndarray:
        raise NotImplementedError

    def passage_vectors(self, ordinals: Sequence[int]) -> np.ndarray:
        return self._passages[ordinals]

    def search(self, queries: Sequence[str], positives: np.ndarray, depth: int) -> Any:
        from synth.search import score_pairs
        from synth.teachers import Hits

        block = self._queries[self._asked : self._asked + len(queries)]
        self._asked += len(queries)
        passages, scores = self._searcher.search(block, depth)
        own = score_pairs(block, self._passages[positives[:, 0]])
        return Hits(passages, scores, own[:, None])


def write_corpus(folder: Path, count: int, words: int = 0) -> Any:
    """Passages that are all different, each in a document of its own, of so many random words if that is asked."""
    from schemas.arrow import arrow_schema
    from schemas.document import Passage
    from synth.corpus import Corpus
    from synth.lexicon import build_lexicon

    names = [f"p{n:07d}" for n in range(count)]
    ones = np.ones(count, dtype=np.int64)
    ranks = np.minimum(np.random.default_rng(1).zipf(1.2, (count, words)), 50_000)
    texts = [[f"w{rank}" for rank in row] for row in ranks.tolist()]
    columns = {
        "id": names,
        "document_id": names,
        "title": [""] * count,
        "heading": [""] * count,
        "text": [" ".join([name, *drawn]) for name, drawn in zip(names, texts, strict=True)],
        "start": 0 * ones,
        "end": ones,
        "split": ["train"] * count,
        "flags": [[]] * count,
    }
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns, schema=arrow_schema(Passage)), folder / "passages.parquet")
    none = pa.array([], type=pa.int64())
    pq.write_table(pa.table({"first": none, "second": none}), folder / "near_pairs.parquet")
    if words:
        build_lexicon((("", "", " ".join(text)) for text in texts), "en").save(folder)
    return Corpus(folder)


def bare() -> None:
    import faiss

    queries, passages = vectors()
    began = cpu(), time.monotonic()
    faiss.knn(queries, passages, DEPTH, metric=faiss.METRIC_INNER_PRODUCT)
    told(began)


def ours() -> None:
    mine("perc_pos")


def multi_signal() -> None:
    mine("multi_signal", words=45)


def mine(strategy: str, words: int = 0) -> None:
    from synth.mining.evidence import overlap_of, write_evidence
    from synth.mining.miner import HardNegativeMiner
    from synth.mining.table import ScoreTable
    from synth.pairs import Pairs
    from synth.scores import Questions, write_scores

    queries, passages = vectors()
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(Path(folder) / "pool", PASSAGES, words)
        texts = corpus.texts(np.arange(QUERIES)) if words else [f"q{n}" for n in range(QUERIES)]
        texts = [" ".join(text.split()[:8]) for text in texts]
        _ = corpus.text_key
        pairs = Pairs(queries=texts, query_ids=texts, sources=[""] * QUERIES, positives=[[n] for n in range(QUERIES)])
        questions = Questions.of(texts, pairs.positives)
        weighed = time.monotonic()
        if words:
            overlap_of(corpus)
        weighed = time.monotonic() - weighed
        began, teacher = (cpu(), time.monotonic()), Given(queries, passages)
        write_scores(Path(folder) / "scores", questions.blocks(), corpus, teacher, DEPTH)
        if words:
            write_evidence(Path(folder) / "scores", corpus, teacher)
        table = ScoreTable(Path(folder) / "scores", corpus)
        mined = HardNegativeMiner(negatives=7, strategy=strategy).mine(pairs, table)
        searched, used = time.monotonic(), cpu()
        again = HardNegativeMiner(negatives=7, strategy=strategy, relative_margin=0.1).mine(pairs, table)
        more = {"again": time.monotonic() - searched, "weighed": weighed, "negatives": mined.report.negatives}
        told(began, (used, searched), **more, stricter=again.report.negatives)


def peer() -> None:
    """Their function asks a model for vectors; this one hands out ours."""
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    queries, passages = vectors()
    known = {f"q{n}": v for n, v in enumerate(queries)} | {f"p{n:07d}": v for n, v in enumerate(passages)}

    class Handing(SentenceTransformer):
        def __init__(self) -> None:
            super().__init__(modules=[torch.nn.Identity()], device="cpu")

        def get_embedding_dimension(self) -> int:
            return DIMENSION

        def encode(self, sentences: Any, **_: Any) -> Any:
            return np.stack([known[each] for each in sentences])

        encode_query = encode_document = encode

    data = Dataset.from_dict(
        {"anchor": [f"q{n}" for n in range(QUERIES)], "positive": [f"p{n:07d}" for n in range(QUERIES)]}
    )
    began = cpu(), time.monotonic()
    mined = mine_hard_negatives(
        data,
        Handing(),
        corpus=[f"p{n:07d}" for n in range(PASSAGES)],
        relative_margin=0.05,
        range_max=DEPTH - 1,
        num_negatives=7,
        use_faiss=True,
        faiss_batch_size=16_384,
        verbose=False,
    )
    told(began, negatives=len(mined))


def remine() -> None:
    from synth.mining.miner import HardNegativeMiner
    from synth.mining.table import ScoreTable
    from synth.pairs import Pairs

    count = 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(Path(folder) / "pool", count)
        write_table(Path(folder) / "scores", count)
        texts = [f"q{n}" for n in range(count)]
        pairs = Pairs(queries=texts, query_ids=texts, sources=[""] * count, positives=[[n] for n in range(count)])
        _ = corpus.text_key
        began = cpu(), time.monotonic()
        mined = HardNegativeMiner(negatives=7, strategy="perc_pos").mine(
            pairs, ScoreTable(Path(folder) / "scores", corpus)
        )
        told(began, negatives=mined.report.negatives)


def write_table(folder: Path, count: int) -> None:
    """A million queries with 100 candidates each, and their positives, as a score table."""
    import orjson

    from synth.files import ParquetSink, write_parquet
    from synth.scores import BLOCK, POSITIVES, QUERIES, TABLE

    random = np.random.default_rng(0)
    metadata = {"teacher": orjson.dumps({"model": "made up"}), "depth": b"100", "pool": str(count).encode()}
    with ParquetSink(folder / "table.parquet", TABLE.with_metadata(metadata)) as sink:
        for start in range(0, count, BLOCK):
            size = min(BLOCK, count - start)
            query = np.repeat(np.arange(start, start + size), DEPTH)
            score = -np.sort(-random.random((size, DEPTH), dtype=np.float32), axis=1).round(4).ravel()
            columns = (query, random.integers(0, count, size * DEPTH), np.tile(np.arange(1, DEPTH + 1), size), score)
            arrays = [pa.array(c, type=f.type) for c, f in zip(columns, TABLE, strict=True)]
            sink.add_table(pa.table(arrays, schema=TABLE), one_row_group=True)
    own = np.arange(count)
    known = (own, own, np.full(count, 65_535), random.random(count, dtype=np.float32).round(4), own * 0)
    arrays = [pa.array(c, type=f.type) for c, f in zip(known, POSITIVES, strict=True)]
    write_parquet(folder / "positives.parquet", pa.table(arrays, schema=POSITIVES))
    names = pa.array([f"q{n}" for n in range(count)])
    queries = [pa.array(own, type=pa.int32()), names, own.astype(np.uint64), names]
    write_parquet(folder / "queries.parquet", pa.table(queries, schema=QUERIES))


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def told(began: tuple[float, float], ended: tuple[float, float] | None = None, **more: Any) -> None:
    used, at = ended or (cpu(), time.monotonic())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"wall": at - began[1], "cpu": used - began[0], "peak_gb": peak, **more}))


def measure(names: Sequence[str], repeats: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Medians of each, run in turn."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            done = subprocess.run(
                [sys.executable, __file__, f"--one={name}"], capture_output=True, text=True, check=True
            )
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(name, done.stdout.splitlines()[-1], file=sys.stderr)
    for name, rows in found.items():
        yield name, {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["search", "peer", "remine"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one")
    given = parser.parse_args()
    if given.one:
        globals()[given.one]()
        return
    names = [
        *(["bare", "ours", "multi_signal"] if "search" in given.parts else []),
        *(["peer"] if "peer" in given.parts else []),
    ]
    rows = dict(measure(names, given.repeats))
    if "remine" in given.parts:
        rows |= dict(measure(["remine"], 1))
    for name, row in rows.items():
        ratio = ""
        if "bare" in rows:
            ratio = "; {:.2f} x the time of bare, {:.2f} x its CPU".format(
                *(row[k] / rows["bare"][k] for k in ("wall", "cpu"))
            )
        print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in row.items()) + ratio)


if __name__ == "__main__":
    main()
