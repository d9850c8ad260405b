"""A run from nothing but a domain: what its records are about, against what was asked for.

A server in this process writes documents, task instructions and texts of made-up words, so that nothing but the
drawing, the gates and the counting is measured. Prints a Markdown table for docs/measurements.md.

    python tests/benchmarks/from_nothing.py [ITEMS] [DOMAIN]
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from fake_llm import Fill, Say, fake_llm

from synth.llm.settings import reach
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef
from synth.topics.documents import FROM_TOPICS, with_invented
from synth.topics.instructions import with_instructions

TASKS = {
    "query-from-passage": 4,
    "instructed-query": 2,
    "classification": 1,
    "clustering": 1,
    "semantic-similarity": 1,
    "short-short": 1,
    "long-long": 1,
}
SYLLABLES = "ba ce di fo gu ha ki lo mu ne pa qui ro su ta ve wo xi yu za".split()


def sentences(source: random.Random, words: int) -> str:
    """So many made-up words in sentences of 8 to 20."""
    made: list[str] = []
    while words > 0:
        size = min(words, source.randint(8, 20))
        one = ["".join(source.choices(SYLLABLES, k=source.randint(2, 4))) for _ in range(size)]
        made.append(" ".join(one).capitalize() + ".")
        words -= size
    return " ".join(made)


def script(prompt: str, _asked: int) -> Say | Fill:
    source = random.Random(prompt)
    if length := re.search(r"Length: about (\d+) words", prompt):
        return Say(json.dumps({"title": sentences(source, 6), "text": sentences(source, int(length[1]))}))
    if "Type of task:" in prompt:
        return Say(json.dumps({"instruction": f"Given {sentences(source, 6)} retrieve it"}))
    made = {
        name: sentences(source, 9) for name in ("query", "positive", "negative", "theme", "other_theme", "instruction")
    }
    made["theme"], made["other_theme"] = made["theme"][:60], made["other_theme"][:60]
    if '"negatives"' in prompt:
        return Say(
            json.dumps({"positive": sentences(source, 2), "negatives": [sentences(source, 2) for _ in range(3)]})
        )
    return Fill(made)


def main() -> None:
    limit, domain = int(sys.argv[1]) if sys.argv[1:] else 5_000, sys.argv[2] if sys.argv[2:] else "medical"
    with tempfile.TemporaryDirectory() as name, fake_llm(script) as fake:
        config = Path(name) / "config.yaml"
        gates = ["schema", "text-pair", "length", "repetition", "echo", "copy"]
        told = {"plan": {"tasks": TASKS, "language": {"en": 1}}, "gates": [{"name": each} for each in gates]}
        config.write_text(yaml.safe_dump({**told, "set_gates": [{"name": "duplicates"}]}))
        settings, store = reach([fake.url]), Store(Path(name) / "store")
        start = time.perf_counter()
        choices = Choices(
            domain, (FROM_TOPICS,), limit=limit, config=config, models=tuple(settings.models), instructions=FROM_TOPICS
        )
        choices = with_instructions(with_invented(choices, store, settings, Silent()), store, settings, Silent())
        made = time.perf_counter() - start
        version = execute(create_run(resolve(choices), store, llm=settings))
        print(f"{limit:,} records of `{domain}` from nothing: documents and instructions {made:.0f} s, ", end="")
        print(f"the run {time.perf_counter() - start - made:.0f} s; requests {len(fake.bodies):,}\n")
        report(version)


def report(version: VersionRef) -> None:
    manifest = version.manifest
    print(f"funnel: {manifest.funnel.model_dump()}\n")
    assert manifest.diversity is not None
    print("| attribute | values that occur | largest gap to its target |\n|---|---|---|")
    for name, coverage in manifest.diversity.coverage.items():
        first = coverage.shares[0]
        gap = f"{first.value.rpartition(' > ')[2]}: {first.share:.2%} for {first.target:.2%}"
        print(f"| {name} | {coverage.values:,} of {coverage.possible:,} | {gap} |")
    table = pq.read_table(version.file("passages.parquet"), columns=["text", "topic", "document_id"])
    words = Counter(bin_of(len(text.split())) for text in table["text"].to_pylist())
    print(f"\npassages by words: {shares(words)}")
    branches = Counter(topic.split(" > ")[0] for topic in set(table["topic"].to_pylist()))
    print(f"topics that have a document, by branch: {dict(sorted(branches.items()))}")


def bin_of(words: int) -> str:
    return next(f"<= {bound}" for bound in (25, 50, 100, 150, 200, 10**6) if words <= bound)


def shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{name} {count / total:.1%}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
