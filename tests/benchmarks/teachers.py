"""What a served teacher costs beside the server, and what the embedding cache holds in memory.

    python tests/benchmarks/teachers.py [TEXTS_IN_CACHE]

The server is in a process of its own and answers with the same vector of 1,024 dimensions every time.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from fake_embedder import Embedder
from fake_llm import fake_llm

from synth.embeddings import EmbeddingCache
from synth.teachers.served import Served
from synth.teachers.settings import reach_teacher

DIMENSION = 1_024
TEXTS = [f"passage number {n} {'word ' * 120}" for n in range(4_096 * 6)]
BLOCK = 8_192


def serve() -> None:
    vector = base64.b64encode(np.random.default_rng(0).normal(size=DIMENSION).astype("<f4").tobytes()).decode()
    embedder = Embedder(dimension=DIMENSION)
    embedder.answer = lambda route, body: {  # type: ignore[method-assign]
        "data": [{"index": n, "embedding": vector} for n in range(len(body["input"]))]
    }
    with fake_llm(embedder=embedder) as fake:
        print(fake.url, flush=True)
        sys.stdin.read()


def measure(name: str, embed: Callable[[list[str]], object]) -> None:
    began, used = time.perf_counter(), time.process_time()
    for start in range(0, len(TEXTS), Served.block):
        embed(TEXTS[start : start + Served.block])
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    print(f"{name:<28}{len(TEXTS) / seconds:>8,.0f} texts/s  {cpu / len(TEXTS) * 1e6:>4.0f} µs of CPU a text")


def through_http() -> None:
    command = [sys.executable, __file__, "serve"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None and server.stdin is not None
    name, settings = reach_teacher(server.stdout.readline().strip())
    with tempfile.TemporaryDirectory() as folder:
        teacher = Served(name, Path(folder) / "run", Path(folder) / "store", settings)
        assert teacher.identity
        measure("HTTP alone", lambda texts: teacher.encode(texts, "document"))
        measure("HTTP and cache", teacher.embed_queries)
        measure("cache alone", teacher.embed_queries)
    server.stdin.close()
    server.wait()


def cached(count: int) -> None:
    raw = np.random.default_rng(0).bytes(16 * count)
    keys = [raw[16 * n : 16 * n + 16] for n in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        cache = EmbeddingCache(Path(folder), 4)
        for start in range(0, count, BLOCK):
            cache.fetch(keys[start : start + BLOCK], lambda rows: np.ones((len(rows), 4), dtype=np.float32))
        tracemalloc.start()
        began = time.perf_counter()
        again = EmbeddingCache(Path(folder), 4)
        again.fetch(keys[:BLOCK], lambda rows: np.empty(0, dtype=np.float32))
        opened = time.perf_counter() - began
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        began = time.perf_counter()
        again.fetch(keys[count // 2 : count // 2 + BLOCK], lambda rows: np.empty(0, dtype=np.float32))
        looked = time.perf_counter() - began
        files = len(list(Path(folder).glob("*.parquet")))
    print(
        f"{count:,} texts: {held / count:.1f} bytes each, {files} files, opened in {opened:.1f} s, {BLOCK:,} found in {looked:.2f} s"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        through_http()
        cached(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
