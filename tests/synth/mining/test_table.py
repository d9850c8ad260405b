from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from fake_embedder import Embedder
from fake_llm import fake_llm

from synth import scores
from synth.mining.miner import HardNegativeMiner
from synth.mining.table import retrieve
from synth.pairs import Pairs
from synth.store import Store

RETRIEVE = """
import sys, time
from pathlib import Path
from synth import scores
from synth.mining.table import retrieve
from synth.store import Store
from synth.teachers.lexical import Lexical
from test_table import pairs

scores.BLOCK = 4
told = Lexical.search

def slow(self, *how):
    print("searched", flush=True)
    time.sleep(0.2)
    return told(self, *how)

Lexical.search = slow
Lexical.queries_at_a_time = lambda self, depth: 4
retrieve(pairs(), "lexical", store=Store(Path(sys.argv[1])), depth=5)
"""


def pairs() -> Pairs:
    words = "bond rate loan swap gold debt yield note fund risk".split()
    texts = [f"{a} {b} passage about {a} and how {b} moves it" for a in words for b in words if a < b]
    return Pairs.of([f"why does {text.split()[1]} move {text.split()[0]}" for text in texts], [[t] for t in texts])


def blocks_searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from synth.teachers.lexical import Lexical

    searched: list[int] = []
    told = Lexical.search

    def counting(self: Lexical, queries: Any, positives: Any, depth: int) -> Any:
        searched.append(len(queries))
        return told(self, queries, positives, depth)

    monkeypatch.setattr(scores, "BLOCK", 4)
    monkeypatch.setattr(Lexical, "queries_at_a_time", lambda self, depth: 4, raising=False)
    monkeypatch.setattr(Lexical, "search", counting)
    return searched


@pytest.mark.slow
def test_a_killed_search_goes_on_after_the_blocks_that_it_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    with subprocess.Popen(
        [sys.executable, "-c", RETRIEVE, str(tmp_path / "killed")], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for _ in range(4):
            assert process.stdout.readline() == "searched\n"
        process.send_signal(signal.SIGKILL)
    done = len(list((tmp_path / "killed").rglob("*.parts/*.npz")))
    assert done == 3
    searched = blocks_searched(monkeypatch)
    resumed = retrieve(pairs(), "lexical", store=Store(tmp_path / "killed"), depth=5)
    assert len(searched) == 12 - done
    fresh = retrieve(pairs(), "lexical", store=Store(tmp_path / "fresh"), depth=5)
    for name in ("table", "positives", "queries"):
        assert (resumed.folder / f"{name}.parquet").read_bytes() == (fresh.folder / f"{name}.parquet").read_bytes()
    assert not list((tmp_path / "killed").rglob("*.npz"))


def test_an_approximate_index_is_built_once_and_its_recall_is_told(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    with fake_llm(embedder=Embedder()) as server:
        store = Store(tmp_path)
        exact = retrieve(pairs(), server.url, store=store, depth=5)
        asked = len(server.embedder.texts) if server.embedder else 0
        near = retrieve(pairs(), f"{server.url},index=hnsw,ef_search=64", store=store, depth=5)
        assert server.embedder is not None
        assert len(server.embedder.texts) - asked == 4  # is it one that embeds, and the probes
        assert near.teacher == {**exact.teacher, "index": "hnsw", "ef_search": "64"}
        assert exact.recall is None
        assert near.recall is not None
        assert near.recall["queries"] == 45
        assert 0.9 < near.recall["low"] <= near.recall["mean"] <= near.recall["high"] <= 1
        (index,) = tmp_path.rglob("*.faiss")
        built = index.stat().st_mtime_ns
        retrieve(pairs(), f"{server.url},index=hnsw,ef_search=64", store=store, depth=6)
        assert index.stat().st_mtime_ns == built
        report = orjson.loads(HardNegativeMiner(negatives=2).mine(pairs(), near).report.as_json())
        assert report["recall"] == near.recall
        (known, both) = ([(n, b.positives.score) for n, b in each.blocks()] for each in (exact, near))
        assert all(np.array_equal(a[1], b[1]) for a, b in zip(known, both, strict=True))
