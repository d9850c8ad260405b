"""Exact search beside the bare `faiss.knn`, and a corpus on disk larger than the memory it may take.

    python tests/benchmarks/search.py ratio [QUERIES PASSAGES DIMENSION DEPTH RUNS]
    python tests/benchmarks/search.py disk [PASSAGES DIMENSION QUERIES DEPTH FOLDER]
    python tests/benchmarks/search.py approximate [PASSAGES DIMENSION QUERIES DEPTH]

*ratio* runs both in turns on the same vectors with the same threads; CPU is that of all threads.
*disk* writes random float16 vectors, searches them in a process of its own, keeping the candidates
of each tile beside them, compares five queries with brute force, and deletes all; its peak is
ru_maxrss, which counts mapped pages as long as they are held. *approximate* measures
recall and seconds of HNSW and IVF on clustered vectors.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 100_000


def unit_vectors(seed: int, count: int, dimension: int, centres: int = 0) -> Any:
    source = np.random.default_rng(seed)
    vectors = source.standard_normal((count, dimension), dtype=np.float32)
    if centres:
        middles = np.random.default_rng(0).standard_normal((centres, dimension), dtype=np.float32)
        vectors += 1.5 * middles[source.integers(0, centres, count)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall and CPU seconds, and what was returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def compare(count: int, passages: int, dimension: int, depth: int, runs: int) -> None:
    import faiss

    from synth.search import score_at, search_exactly

    queries, corpus = unit_vectors(1, count, dimension), unit_vectors(2, passages, dimension)
    cases = {
        "bare faiss.knn": lambda: faiss.knn(queries, corpus, depth, metric=faiss.METRIC_INNER_PRODUCT),
        "search_exactly": lambda: search_exactly(queries, corpus, depth),
    }
    figures: dict[str, list[tuple[float, float]]] = {}
    found: dict[str, Any] = {}
    for _ in range(runs):
        for name, call in cases.items():
            wall, cpu, found[name] = timed(call)
            figures.setdefault(name, []).append((wall, cpu))
        wall, cpu, _ = timed(lambda: score_at(queries, corpus, found["search_exactly"][0]))
        figures.setdefault("score_at of the hits", []).append((wall, cpu))
    bare = figures["bare faiss.knn"]
    print(f"{count:,} x {passages:,} x {dimension}, k = {depth}, {faiss.omp_get_max_threads()} threads")
    print(
        "| what | wall s | CPU s | of bare, wall | of bare, CPU | best of bare's best, wall | all runs (wall, CPU) |\n|---|---|---|---|---|---|---|"
    )
    for name, own in figures.items():
        wall, cpu = (statistics.median(run[place] for run in own) for place in (0, 1))
        ratios = [
            statistics.median(ours[place] / theirs[place] for ours, theirs in zip(own, bare, strict=True))
            for place in (0, 1)
        ]
        runs_told = "; ".join(f"{w:.2f}, {c:.2f}" for w, c in own)
        best = min(run[0] for run in own) / min(run[0] for run in bare)
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {ratios[0]:.3f} | {ratios[1]:.3f} | {best:.3f} | {runs_told} |")


def write_vectors(path: Path, count: int, dimension: int) -> None:
    with path.open("wb") as file:
        for start in range(0, count, BLOCK):
            unit_vectors(start, min(BLOCK, count - start), dimension).astype(np.float16).tofile(file)


def search_disk(path: Path, passages: int, dimension: int, count: int, depth: int) -> dict[str, float]:
    """In this process."""
    from synth.search import search

    queries = unit_vectors(10**6, count, dimension)
    corpus = np.memmap(path, dtype=np.float16, mode="r", shape=(passages, dimension))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu, (ordinals, scores, report) = timed(lambda: search(queries, corpus, depth, folder=path.parent / "tiles"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sample = np.arange(0, count, max(1, count // 5))
    products = np.concatenate(
        [queries[sample] @ corpus[s : s + BLOCK].astype(np.float32).T for s in range(0, passages, BLOCK)], axis=1
    )
    worst = np.abs(-np.sort(-products, axis=1)[:, :depth] - scores[sample]).max()
    assert ordinals.shape == (count, depth) and worst < 6e-5, worst
    return {
        "wall": wall,
        "cpu": cpu,
        "before_mb": before,
        "peak_mb": peak,
        "tiles": report.tiles,
        "reused": report.reused,
    }


def measure_disk(passages: int, dimension: int, count: int, depth: int, folder: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name) / "vectors.f16"
        write_vectors(path, passages, dimension)
        sizes = [str(n) for n in (passages, dimension, count, depth)]
        command = [sys.executable, __file__, "--disk", str(path), *sizes]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        r = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{passages:,} x {dimension} float16 on disk ({path.stat().st_size / 2**30:.1f} GiB), {count:,} queries, k = {depth}: {r['wall']:.0f} s, {r['cpu']:.0f} s of CPU, {r['tiles']} tiles, peak {r['peak_mb']:.0f} MB, of it before the search {r['before_mb']:.0f} MB"
        )


def measure_approximate(passages: int, dimension: int, count: int, depth: int) -> None:
    from synth.search import SearchSettings, search

    corpus, queries = (unit_vectors(seed, n, dimension, centres=500) for seed, n in ((1, passages), (2, count)))
    print(f"{count:,} x {passages:,} x {dimension}, k = {depth}\n| index | seconds | recall |\n|---|---|---|")
    for index in ("exact", "ivf", "hnsw"):
        _, _, report = search(queries, corpus, depth, SearchSettings(index=index))
        r = report.recall
        print(f"| {index} | {report.seconds:.1f} | {f'{r.mean} ({r.low} to {r.high})' if r else ''} |", flush=True)


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "--disk":
        print(json.dumps(search_disk(Path(rest[0]), *(int(n) for n in rest[1:]))))
    elif what == "ratio":
        compare(*(int(n) for n in rest or (20_000, 100_000, 384, 100, 3)))
    elif what == "disk":
        sizes, folder = rest[:4] or (10_000_000, 256, 10_000, 100), rest[4] if len(rest) > 4 else tempfile.gettempdir()
        measure_disk(*(int(n) for n in sizes), folder)
    else:
        measure_approximate(*(int(n) for n in rest or (100_000, 128, 2_000, 100)))


if __name__ == "__main__":
    main()
