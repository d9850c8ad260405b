"""What the LLM client loses and repeats: faults, kills, and a million items.

    python tests/benchmarks/llm_durability.py [faults] [kill] [million]

Faults and kills run against `bench/sim_vllm.py` (see llm_speed.py), the million against a
server of this script that answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from llm_speed import choices_for, simulator, stats

FAULTS = {"500": 0.02, "503": 0.01, "reset": 0.01, "invalid": 0.02, "truncated": 0.01, "hang": 0.01}
KILLS = 20


def new_run(store: Path, url: str) -> object:
    from synth.llm.settings import reach
    from synth.recipe import resolve
    from synth.run import create_run
    from synth.store import Store

    store.mkdir(parents=True, exist_ok=True)
    settings = reach([url]).model_copy(update={"request_timeout": 60.0})
    return create_run(resolve(choices_for(store, models=tuple(settings.models))), Store(store), llm=settings)  # type: ignore[arg-type]


def execute(store: Path, run_id: str) -> object:
    from synth.run import Run
    from synth.run import execute as go
    from synth.store import Store

    return go(Run(Store(store), run_id)).manifest


def faults() -> None:
    with tempfile.TemporaryDirectory() as name, simulator(*(f"--p{kind}={p}" for kind, p in FAULTS.items())) as url:
        run = new_run(Path(name) / "store", url)
        began = time.monotonic()
        manifest = execute(Path(name) / "store", run.id)  # type: ignore[attr-defined]
        tables = [
            pq.read_table(path, columns=["position"]) for path in sorted((run.folder / "items").glob("*.parquet"))
        ]  # type: ignore[attr-defined]
        positions = [position for table in tables for position in table["position"].to_pylist()]
        seen = stats(url)
    print(f"faults: {seen['faults']}, {seen['arrivals']:,} requests in {time.monotonic() - began:.0f} s")
    print(
        f"  planned {manifest.funnel.planned:,}, lost {manifest.funnel.planned - len(set(positions))}, doubled {len(positions) - len(set(positions))}"
    )  # type: ignore[attr-defined]
    print(f"  failed {manifest.funnel.failed}, rejected {manifest.funnel.rejected}")  # type: ignore[attr-defined]


def kill() -> None:
    """What a kill may cost is what was sent and not committed; no committed answer may be asked for again."""
    source = random.Random(7)
    with tempfile.TemporaryDirectory() as name, simulator("--max-num-seqs", "256", "--itl-full", "0.005") as url:
        whole = new_run(Path(name) / "whole", url)
        expected = execute(Path(name) / "whole", whole.id)  # type: ignore[attr-defined]
        alone, store = int(stats(url)["arrivals"]), Path(name) / "store"
        run = new_run(store, url)
        uncommitted = sent = committed = 0
        for number in range(KILLS):
            child = subprocess.Popen([sys.executable, __file__, "--child", str(store), run.id])  # type: ignore[attr-defined]
            until = alone + sent + source.randint(50, 180)
            while stats(url)["arrivals"] < until and child.poll() is None:
                time.sleep(0.005)
            time.sleep(source.random() * 0.5)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            time.sleep(0.3)
            before, (sent, committed) = (
                (sent, committed),
                (int(stats(url)["arrivals"]) - alone, committed_answers(store)),
            )
            lost = sent - before[0] - (committed - before[1])
            uncommitted += lost
            print(f"  kill {number + 1}: {lost} were sent and not committed", file=sys.stderr)
        manifest = execute(store, run.id)  # type: ignore[attr-defined]
        repeats = int(stats(url)["arrivals"]) - 2 * alone
        assert committed_answers(store) == alone
    same = manifest.content_sha256 == expected.content_sha256  # type: ignore[attr-defined]
    print(
        f"kill: {KILLS} kills of a run of {alone:,} requests, {repeats:,} repeated, {uncommitted:,} had been sent and not committed; same content hash: {same}"
    )


def committed_answers(store: Path) -> int:
    """Answers on disk; each is there once, in the journal or sealed (or in both, when a kill came between the two)."""
    journals = sorted((store / "answers").rglob("journal.sqlite"))
    in_journal = [row[0] for file in journals for row in sqlite3.connect(file).execute("SELECT key FROM answers")]
    sealed = [key for file in (store / "answers").rglob("*.parquet") for key in pq.read_table(file)["key"].to_pylist()]
    assert len(set(in_journal)) == len(in_journal) and len(set(sealed)) == len(sealed), "an answer was paid for twice"
    return len({*in_journal, *sealed})


def million(sizes: tuple[int, ...] = (100_000, 1_000_000)) -> None:
    for size in sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--items", str(size)], capture_output=True, text=True, check=True
        )
        print(done.stdout.strip())


def make_items(count: int) -> None:
    """Plan, generate, journal, record gates, Parquet; no teacher, no set gates."""
    from pipeline import write_documents

    from synth.llm.settings import reach
    from synth.progress import Silent
    from synth.recipe import Choices, resolve
    from synth.run import close_workshop, create_run, prepare
    from synth.shard import Shard, make_shards
    from synth.store import Store

    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("instant_llm.py"))], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_documents(folder / "documents.jsonl", 20_000)
            settings = reach([url])
            choices = Choices("finance", documents=(folder / "documents.jsonl",), models=tuple(settings.models))
            run = create_run(resolve(choices), Store(folder / "store"), llm=settings)
            workshop = prepare(run, Silent())
            began = time.monotonic()
            make_shards(workshop, [Shard(n, n + 1_000) for n in range(0, count, 1_000)], Silent(), score=False)
            seconds = time.monotonic() - began
            close_workshop(run)
    finally:
        server.kill()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "items": count,
                "seconds": round(seconds, 1),
                "ms_per_item": round(seconds / count * 1e3, 3),
                "peak_mb": round(peak),
            }
        )
    )


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        execute(Path(sys.argv[2]), sys.argv[3])
        return
    if sys.argv[1:2] == ["--items"]:
        make_items(int(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["faults", "kill", "million"])
    for what in parser.parse_args().what:
        {"faults": faults, "kill": kill, "million": million}[what]()


if __name__ == "__main__":
    main()
