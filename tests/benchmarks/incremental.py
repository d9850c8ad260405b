"""What an update costs beside making the dataset anew: time by stage, requests, memory.

    python tests/benchmarks/incremental.py 20000

Documents are drawn from the phrases of the tests, one passage each, with the extractive generator and the lexical
teacher; 1 % are edited, 1 % added, 1 % removed.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import orjson

from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef
from synth.update import as_update
from synth.verify import verify_version

_WORDS = [f"{start}{end}" for start in ("cov", "ref", "pen", "good", "cop", "div", "aud", "lea", "mor", "tre") for end in ("enant", "inance", "sion", "will", "per", "idend", "itor", "se", "tgage", "asury", "or", "ing", "ed", "al", "ion")]  # fmt: skip


class Stages(Silent):
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since = "", time.monotonic()

    def stage(self, name: str, total: int | None = None) -> None:
        now = time.monotonic()
        if self._name:
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._name, self._since = name, now


def text_of(seed: str) -> str:
    source = random.Random(seed)
    sentences = (
        f"The {' '.join(source.choice(_WORDS) for _ in range(9))} of part {source.randint(1, 99_999)} was {source.choice(_WORDS)} in {source.randint(1990, 2026)}."
        for _ in range(8)
    )
    return " ".join(sentences)


def make(path: Path, texts: dict[str, str], store: Store, *, update: bool) -> VersionRef:
    path.write_bytes(b"".join(orjson.dumps({"id": key, "text": text}) + b"\n" for key, text in texts.items()))
    resolved = as_update(resolve(Choices("finance", documents=(path,))), store, update=update)
    stages, started = Stages(), time.monotonic()
    version = execute(create_run(resolved, store), stages)
    seconds = time.monotonic() - started
    stages.stage("")
    manifest = version.manifest
    print(
        f"{'update' if update else 'anew  '} {version}: {manifest.records:,} records, {manifest.funnel.planned:,} planned, {seconds:.1f} s"
    )
    print("       " + ", ".join(f"{name} {spent:.1f}" for name, spent in stages.seconds.items() if spent >= 0.1))
    assert verify_version(version) == []
    return version


def main(count: int) -> None:
    source = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path, store = Path(folder) / "documents.jsonl", Store(Path(folder) / "store")
        texts = {f"doc{number:07}": text_of(str(number)) for number in range(count)}
        make(path, texts, store, update=False)
        names = source.sample(sorted(texts), count // 50)
        for name in names[: count // 100]:
            texts[name] = text_of(f"{name} edited")
        for name in names[count // 100 :]:
            del texts[name]
        texts |= {f"new{number:07}": text_of(f"new {number}") for number in range(count // 100)}
        print(make(path, texts, store, update=True).manifest.update)
        make(path, texts, Store(Path(folder) / "anew"), update=False)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
