"""Seconds and peak memory of measuring diversity, and of looking for the end, on synthetic queries.

    python tests/benchmarks/diversity.py [SIZES ...]

Queries are ten words drawn from a Zipf law over 20,000. They are laid out as the items of a
finished run, so nothing but the measurement is timed: `measure_diversity`, beside one earlier
version with as many queries; the same where vectors have 1,024 dimensions and no query is like
another, the worst case for regions; and `Novelty` over all records. Each in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

SIZES = (100_000, 1_000_000)
CASES = ("measure", "measure, all unlike", "look for the end")
SHARD = 1_000


class Unlike:
    """Vectors as an embedder would give them, of which no two are alike."""

    identity = {"model": "random"}

    def embed_queries(self, queries: Sequence[str]) -> Any:
        seeds = [sum(map(ord, query)) for query in queries]
        vectors = np.random.default_rng(seeds).standard_normal((len(queries), 1_024), dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def passage_vectors(self, ordinals: Sequence[int]) -> Any:
        return self.embed_queries([str(ordinal) for ordinal in ordinals])


def lay_out(folder: Path, count: int, workshop: Any) -> Any:
    """Items of a finished run and one earlier version of as many queries."""
    from schemas.manifest import Funnel
    from synth.assess import Assessment
    from synth.files import write_parquet
    from synth.shard import Shard
    from synth.text import hash64, normalise

    source = np.random.default_rng(5)
    plan = workshop.recipe.plan
    shards = []
    (folder / "before" / "records").mkdir(parents=True)
    for start in range(0, count, SHARD):
        ranks = source.zipf(1.15, (SHARD, 10)) % 20_000
        queries = [" ".join(f"w{rank:x}" for rank in row) for row in ranks.tolist()]
        drawn = {
            "persona": sorted(workshop.personas),
            "query_type": sorted(plan.query_type),
            "difficulty": sorted(plan.difficulty),
            "length": sorted(plan.length),
            "language": ["en"],
            "task": ["query-from-passage"],
        }
        columns: dict[str, Any] = {name: source.choice(values, SHARD).tolist() for name, values in drawn.items()}
        ids = [f"{hash64(str(start + n)):016x}" for n in range(SHARD)]
        keys = pa.array([hash64(normalise(query)) for query in queries], type=pa.uint64())
        shards.append(Shard(start, start + SHARD))
        table = pa.table({"id": ids, "query": queries, "query_key": keys, **columns})
        write_parquet(shards[-1].items_path(folder), table)
        write_parquet(folder / "before" / "records" / f"{start:09d}.parquet", table.select(["query"]))
    funnel = Funnel(planned=count, accepted=count)
    return Assessment(shards, np.arange(count), {}, funnel, {})


def measure(case: str, count: int) -> dict[str, float]:
    """One case in this process."""
    from schemas.recipe import StopSettings
    from synth.diversity import measure_diversity
    from synth.novelty import Novelty
    from synth.progress import Silent
    from synth.recipe import Choices, resolve
    from synth.run import create_run, prepare
    from synth.store import Store, VersionRef

    with tempfile.TemporaryDirectory() as name:
        run = create_run(resolve(Choices("finance")), Store(Path(name)))
        workshop = prepare(run, Silent())
        unlike: Any = Unlike()
        workshop = replace(workshop, teacher=unlike) if "unlike" in case else workshop
        assessment = lay_out(run.folder, count, workshop)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started = time.perf_counter()
        if case == "look for the end":
            novelty = Novelty(workshop, StopSettings(new_regions=1e-9))
            novelty.find_end(assessment)
            regions = len(novelty._regions)
        else:
            found = measure_diversity(workshop, assessment, [VersionRef("finance", 1, run.folder / "before")])
            assert found is not None
            regions = found.regions.regions
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "before_mb": before, "peak_mb": peak, "regions": regions}


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    print("| queries | what | seconds | peak MB | of it before | regions |\n|---|---|---|---|---|---|")
    for size in sizes:
        for case in CASES:
            command = [sys.executable, __file__, "--one", case, str(size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            r = json.loads(done.stdout.splitlines()[-1])
            print(
                f"| {size:,} | {case} | {r['seconds']:.1f} | {r['peak_mb']:.0f} | {r['before_mb']:.0f} | {r['regions']:,} |"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    else:
        main()
