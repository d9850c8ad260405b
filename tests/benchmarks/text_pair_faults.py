"""Faults planted in right text pairs: what the gate `text-pair` sees of each, and what it takes of the pairs as they are.

    python tests/benchmarks/text_pair_faults.py [--missed FAULT]

Right pairs are human: sentences that people scored 4 or more as paraphrases (sts_stsb_dev), messages with their
intents (fin_banking77_dev), both under SYNTH_SHARED/corpora (default ../shared), and the sentences of
tests/data/parallel.jsonl. Every fault is made by rule (`text_pair_makers.py`), none knows how the gate works.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

from text_pair_makers import FAULTS

from schemas.record import Attribute, Pair, PassageText, Provenance
from synth.gates.text_pair import TextPair

SHARED = Path(os.environ.get("SYNTH_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))
PARALLEL = Path(__file__).parents[1] / "data" / "parallel.jsonl"
PARAPHRASE, UNLIKE = 4.0, 1.5
SEED = 11


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missed", default="", help="print what was not caught of this fault")
    missed = parser.parse_args().missed
    if not (SHARED / "corpora").is_dir():
        sys.exit(f"{SHARED / 'corpora'} is absent: set SYNTH_SHARED to the folder that holds corpora/")
    right = {task: list(make()) for task, make in RIGHT.items()}
    gate = TextPair(TextPair.Settings())
    print("Right pairs that the gate drops\n\n| task | pairs | dropped | share | reasons |\n|---|---|---|---|---|")
    for task, records in right.items():
        reasons = Counter(found.reason for record in records if not (found := gate.judge(record)).keep)
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        print(f"| {task} | {len(records)} | {reasons.total()} | {reasons.total() / len(records):.1%} | {told} |")
    print("\nPlanted\n\n| task | fault | planted | caught | recall | by |\n|---|---|---|---|---|---|")
    for (task, fault), maker in FAULTS.items():
        by = Counter[str]()
        for number, record in enumerate(right[task]):
            made = maker(record, random.Random(f"{SEED} {task} {fault} {number}"), right[task])
            if made is not None:
                found = gate.judge(made)
                by[found.reason] += 1
                if found.keep and fault == missed:
                    print("   ", repr(made.query), "|", repr(made.positive.text), "|", made.written)
        planted, caught = by.total(), by.total() - by[""]
        told = ", ".join(f"{reason} {count}" for reason, count in by.most_common() if reason)
        print(f"| {task} | {fault} | {planted} | {caught} | {caught / planted:.3f} | {told} |")


def paraphrases(task: str) -> Iterator[Pair]:
    """Two sentences that people found alike, and one of a pair that they found unlike."""
    pairs = list(_rows("sts_stsb_dev", "pairs"))
    unlike = [row["text2"] for row in pairs if row["score"] <= UNLIKE]
    source = random.Random(f"{SEED} {task}")
    for row in pairs:
        if row["score"] >= PARAPHRASE and row["text1"].strip(".").lower() != row["text2"].strip(".").lower():
            yield _pair(task, row["text1"], row["text2"], [source.choice(unlike)])


def contradictions() -> Iterator[Pair]:
    """A sentence, its paraphrase in fewer than half of its words, and that denied by a word."""
    for record in paraphrases("negation-pair"):
        words = record.positive.text.split()
        place = next((n for n, word in enumerate(words) if word in ("is", "are", "was", "were", "will", "has")), None)
        shared = {*map(str.lower, record.query.split())} & {*map(str.lower, words)}
        if place is not None and len(shared) < len(words) / 2:
            denied = " ".join([*words[: place + 1], "not", *words[place + 1 :]])
            yield record.model_copy(update={"written": [denied]})


def labelled() -> Iterator[Pair]:
    """A message with the name of its intent, and the names of two others."""
    messages = _messages()
    names = sorted(messages)
    source = random.Random(f"{SEED} labels")
    for name in names:
        for text in messages[name][:8]:
            others = source.sample([each for each in names if each != name], 2)
            yield _pair("classification", text, _label(name), list(map(_label, others)))


def members() -> Iterator[Pair]:
    """Two messages of one intent, and one of another."""
    messages = _messages()
    names = sorted(messages)
    source = random.Random(f"{SEED} clusters")
    for name in names:
        for text, other in zip(messages[name][:8], messages[name][8:16], strict=False):
            theirs = source.choice([each for each in names if each != name])
            themes = {"theme": _label(name), "other_theme": _label(theirs)}
            yield _pair("clustering", text, other, [source.choice(messages[theirs])], **themes)


def edits() -> Iterator[Pair]:
    """A message, another of its intent that shares less than half of its words, and the message with a word exchanged."""
    for record in members():
        words = record.query.split()
        shared = {*map(str.lower, words)} & {*map(str.lower, record.positive.text.split())}
        if len(words) < 5 or len(shared) >= len(words) / 2:
            continue
        place = max(range(len(words)), key=lambda n: len(words[n]))
        edited = " ".join([*words[:place], "voucher", *words[place + 1 :]])
        said = [Attribute(name="negative_family", value="other_object")]
        task = record.provenance.model_copy(update={"task": "minimal-edit"})
        yield record.model_copy(update={"provenance": task, "attributes": said, "written": [edited]})


def translations() -> Iterator[Pair]:
    """Each sentence in each other language; the negative is the one of another row in that language."""
    rows = [json.loads(line) for line in PARALLEL.open(encoding="utf-8")]
    for row, other in zip(rows, [*rows[1:], rows[0]], strict=True):
        for source, target in permutations(sorted(row), 2):
            said = {"source_language": source, "target_language": target, "error": "name"}
            yield _pair("bitext", row[source], row[target], [other[target]], language=source, **said)


RIGHT = {
    "semantic-similarity": lambda: paraphrases("semantic-similarity"),
    "classification": labelled,
    "clustering": members,
    "negation-pair": contradictions,
    "minimal-edit": edits,
    "bitext": translations,
}


def _messages() -> dict[str, list[str]]:
    """Messages by the intent that stands in their id."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in _rows("fin_banking77_dev", "corpus"):
        found[row["id"].split("-", 1)[1].rpartition("-")[0]].append(row["text"])
    return found


def _label(name: str) -> str:
    return name.replace("_", " ").strip("?").lower()


def _rows(folder: str, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(SHARED / "corpora" / folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _pair(task: str, query: str, positive: str, written: Sequence[str], language: str = "en", **said: str) -> Pair:
    provenance = Provenance(
        task=task, method="llm:text", generator="llm", prompt=task, prompt_sha256="", position=0, seed=0
    )
    return Pair(
        id="r",
        language=language,
        split="train",
        query=query,
        positive=PassageText(passage_id="p", document_id="d", text=positive),
        written=list(written),
        attributes=[Attribute(name=name, value=value) for name, value in said.items()],
        provenance=provenance,
    )


if __name__ == "__main__":
    main()
