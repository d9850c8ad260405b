"""Passages per second of every stage, and peak memory, at 1k, 10k and 100k passages.

    python tests/benchmarks/pipeline.py [SIZES ...]

Documents are synthetic: one passage of about 120 words each, words drawn from a Zipf law
over a vocabulary that grows with the square root of the corpus, the most frequent ones
being English function words (as in real text). One item a passage, the whole pass. Each size runs in a process of its own, so that its peak memory
is its own. Nothing is downloaded.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from synth.text import STOP_WORDS

SIZES = (1_000, 10_000, 100_000)
WORDS = 120
CONFIG = "plan: {items_per_passage: 1}\nsplits: {test: 0.1}\n"


class Clock:
    """A reporter that remembers how long each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since = "", time.perf_counter()

    def stage(self, name: str, total: int | None = None) -> None:
        now = time.perf_counter()
        if self._name:
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._name, self._since = name, now

    def advance(self, amount: int = 1) -> None:
        pass

    def note(self, message: str) -> None:
        pass


def write_documents(path: Path, count: int) -> None:
    """Sentences of 8 to 20 words, so that chunking has something to find."""
    source = np.random.default_rng(7)
    common = sorted(STOP_WORDS)
    vocabulary = 2_000 + 100 * int(count**0.5)
    with path.open("w") as file:
        for number in range(count):
            ranks = source.zipf(1.15, WORDS)
            ranks = np.where(ranks < vocabulary, ranks, source.integers(len(common), vocabulary, WORDS))
            words = [common[rank] if rank < len(common) else f"w{rank:x}" for rank in ranks.tolist()]
            cuts = np.cumsum(source.integers(8, 20, 12))
            text = " ".join(
                word.capitalize() if i in {0, *cuts.tolist()} else f"{word}." if i + 1 in cuts else word
                for i, word in enumerate(words)
            )
            file.write(json.dumps({"id": f"d{number:07d}", "text": text}) + "\n")


def measure(count: int) -> dict[str, object]:
    """One run in this process."""
    from synth.recipe import Choices, resolve
    from synth.run import create_run, execute
    from synth.store import Store

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_documents(folder / "documents.jsonl", count)
        (folder / "config.yaml").write_text(CONFIG)
        choices = Choices("finance", documents=(folder / "documents.jsonl",), config=folder / "config.yaml")
        run = create_run(resolve(choices), Store(folder / "store"))
        clock, started = Clock(), time.perf_counter()
        manifest = execute(run, clock).manifest
        total = time.perf_counter() - started
        clock.stage("")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "passages": manifest.passages,
        "accepted": manifest.funnel.accepted,
        "seconds": total,
        "peak_mb": peak,
        "stages": clock.seconds,
    }


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    results = []
    for size in sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(size)], check=True, capture_output=True, text=True
        )
        results.append(json.loads(done.stdout.splitlines()[-1]))
    stages = list(results[0]["stages"])
    print("| passages | accepted | seconds | passages/s | peak MB | " + " | ".join(f"{s}, s" for s in stages) + " |")
    print("|" + "---|" * (5 + len(stages)))
    for r in results:
        cells = [
            f"{r['passages']:,}",
            f"{r['accepted']:,}",
            f"{r['seconds']:.1f}",
            f"{r['passages'] / r['seconds']:,.0f}",
        ]
        cells += [f"{r['peak_mb']:.0f}", *(f"{r['stages'].get(stage, 0):.1f}" for stage in stages)]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
    else:
        main()
