"""A run from nothing but a domain: what its records are about, against what was asked for.

A server in this process writes documents, task instructions and texts of the words of five languages in any order, so
that nothing but the drawing, the gates and the counting is measured. Prints a Markdown table for docs/measurements.md.

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
from functools import cache
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
LANGUAGES = {"en": 3, "de": 2, "fr": 2, "ru": 1, "zh": 2}
BANKS = Path(__file__).parents[1] / "data" / "languages"


@cache
def vocabulary(language: str) -> list[str]:
    """Words of real sentences in a language; single characters where no spaces stand between words."""
    lines = (BANKS / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    text = " ".join(line for line in lines if not line.startswith("#"))
    found = re.findall("[\u4e00-\u9fff]", text) if language == "zh" else re.findall(r"[^\W\d_]{3,}", text.lower())
    return sorted(set(found))


def sentences(source: random.Random, words: int, language: str) -> str:
    """So many words of a language in any order, in sentences of 8 to 20; two characters of Chinese for a word."""
    known, made, wide = vocabulary(language), [], language == "zh"
    while words > 0:
        size = min(words, source.randint(8, 20))
        one = source.choices(known, k=2 * size if wide else size)
        made.append(f"{''.join(one)}。" if wide else f"{' '.join(one).capitalize()}.")
        words -= size
    return ("" if wide else " ").join(made)


def script(prompt: str, _asked: int) -> Say | Fill:
    source = random.Random(prompt)
    asked = re.findall(r"\((\w\w)\)$", prompt, re.MULTILINE)

    def say(words: int) -> str:
        return sentences(source, words, asked[-1] if asked else "en")

    if length := re.search(r"Length: about (\d+) words", prompt):
        return Say(json.dumps({"title": say(6), "text": say(int(length[1]))}))
    if "Type of task:" in prompt:
        return Say(json.dumps({"instruction": f"Given {say(6)} retrieve it"}))
    made = {name: say(9) for name in ("query", "positive", "negative", "theme", "other_theme", "instruction")}
    made["theme"], made["other_theme"] = made["theme"][:60], made["other_theme"][:60]
    if '"negatives"' in prompt:
        return Say(json.dumps({"positive": say(2), "negatives": [say(2) for _ in range(3)]}))
    return Fill(made)


def main() -> None:
    limit, domain = int(sys.argv[1]) if sys.argv[1:] else 5_000, sys.argv[2] if sys.argv[2:] else "medical"
    with tempfile.TemporaryDirectory() as name, fake_llm(script) as fake:
        config = Path(name) / "config.yaml"
        gates = ["schema", "text-pair", "length", "language", "repetition", "echo", "copy"]
        told = {"plan": {"tasks": TASKS, "language": LANGUAGES}, "gates": [{"name": each} for each in gates]}
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
