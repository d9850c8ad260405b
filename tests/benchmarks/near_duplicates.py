"""Near-duplicate pairs of a million short texts: `synth.near` beside datasketch and rensa.

    python tests/benchmarks/near_duplicates.py [--texts 1000000] [--sample 50000] [--only CASE]

Needs `pip install datasketch rensa` (rensa 0.5.0 and datasketch 2.0.0 were measured) and the
corpora of SYNTH_SHARED (default ../shared). Texts are halves of two real sentences or queries
(passages: of six) and up to four edited copies of each: one to four words swapped, left out,
put in or replaced (passages: one or two).
Each method runs in a process of its own on the same files, from the texts to the pairs, and
writes the pairs it found; those of MinHash are candidates, verified with sets of strings by
the same code for both libraries, which is timed apart. Truth: on all texts the union of what
was found, verified; on a sample an inverted index over every shingle, one text at a time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

SHARED = Path(os.environ.get("SYNTH_SHARED", "../shared"))
CASES = {"queries 0.8": (1, 0.8), "queries 0.85": (1, 0.85), "passages 0.8": (3, 0.8), "passages 0.85": (3, 0.85)}
METHODS = ("synth", "synth originals", "datasketch", "rensa")
PERMUTATIONS = 128


def read_sentences() -> Iterator[str]:
    """Queries and sentences of the corpora, 5 to 40 words each."""
    for path in sorted(SHARED.glob("corpora/*/*.jsonl.gz")):
        if path.name.split(".")[0] not in ("corpus", "queries"):
            continue
        for line in gzip.decompress(path.read_bytes()).splitlines():
            for part in re.split(r"(?<=[.?!])\s+|\n", json.loads(line)["text"]):
                if 5 <= len(part.split()) <= 40:
                    yield " ".join(part.split())


def make_texts(count: int, halves: int, seed: int = 7) -> list[str]:
    """Texts of real halves, with edited copies beside them, shuffled."""
    sentences = sorted(set(read_sentences()))
    if not sentences:
        sys.exit(f"no corpora under {SHARED}: set SYNTH_SHARED")
    draw = random.Random(seed)
    vocabulary = [word for sentence in draw.sample(sentences, 2_000) for word in sentence.split()]
    texts: list[str] = []
    while len(texts) < count:
        words: list[str] = []
        for _ in range(halves // 2):
            one, other = draw.choice(sentences).split(), draw.choice(sentences).split()
            words += one[: len(one) // 2 + 1] + other[len(other) // 2 :]
        words = words[: 7 * halves]
        texts.append(" ".join(words))
        for _ in range(draw.randint(0, 4)):
            texts.append(edit(words, draw.randint(1, 4 if halves == 2 else 2), draw, vocabulary))
    del texts[count:]
    draw.shuffle(texts)
    return texts


def edit(words: Sequence[str], edits: int, draw: random.Random, vocabulary: Sequence[str]) -> str:
    """A copy that differs in a few words."""
    edited = list(words)
    for _ in range(edits):
        place = draw.randrange(len(edited))
        how = draw.choice(("swap", "leave out", "put in", "replace"))
        if how == "swap":
            other = draw.randrange(len(edited))
            edited[place], edited[other] = edited[other], edited[place]
        elif how == "leave out" and len(edited) > 4:
            del edited[place]
        elif how == "put in":
            edited.insert(place, draw.choice(vocabulary))
        else:
            edited[place] = draw.choice(vocabulary)
    return " ".join(edited)


def make_crowd(count: int) -> list[str]:
    """One template with one word changed, as an LLM writes when it has nothing to say."""
    draw = random.Random(3)
    sentences = sorted(set(read_sentences()))
    names = sorted({word for sentence in sentences for word in sentence.split() if word.isalpha()})
    template = "what was the effect of the new {} standard on the revenue that the group reported"
    return [template.format(draw.choice(names)) for _ in range(count)]


def read_texts(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")


def find_with_synth(texts: list[str], size: int, threshold: float) -> dict[str, Any]:
    from synth.near import find_near_pairs
    from synth.shingle_sets import read_shingles

    started = time.process_time()
    sets = read_shingles(texts, size)
    read = time.process_time() - started
    return {"pairs": find_near_pairs(sets, threshold, crowd=len(texts)), "of it reading": read}


def find_originals_with_synth(texts: list[str], size: int, threshold: float) -> dict[str, Any]:
    from synth.near import find_originals
    from synth.shingle_sets import read_shingles

    originals = find_originals(read_shingles(texts, size), threshold)
    dropped = np.flatnonzero(originals >= 0)
    return {"pairs": np.stack([originals[dropped], dropped], axis=1)}


def find_with_datasketch(texts: list[str], size: int, threshold: float) -> dict[str, Any]:
    from datasketch import MinHash, MinHashLSH

    from synth.text import shingles, words

    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    blank = MinHash(num_perm=PERMUTATIONS, seed=1)
    pairs = []
    for number, text in enumerate(texts):
        sketch = blank.copy()
        sketch.update_batch([shingle.encode() for shingle in shingles(words(text), size)])
        pairs += [(other, number) for other in index.query(sketch)]
        index.insert(number, sketch, check_duplication=False)
    return verified(texts, size, threshold, pairs)


def find_with_rensa(texts: list[str], size: int, threshold: float) -> dict[str, Any]:
    from rensa import RMinHash, RMinHashLSH

    from synth.text import shingles, words

    index = RMinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, num_bands=16 if threshold < 0.85 else 12)
    pairs = []
    for start in range(0, len(texts), 10_000):
        block = texts[start : start + 10_000]
        sketches = RMinHash.from_token_sets([sorted(shingles(words(t), size)) or [""] for t in block], PERMUTATIONS, 1)
        for number, sketch in enumerate(sketches, start):
            pairs += [(other, number) for other in index.query(sketch)]
            index.insert(number, sketch)
    return verified(texts, size, threshold, pairs)


def verified(texts: list[str], size: int, threshold: float, pairs: list[tuple[int, int]]) -> dict[str, Any]:
    """The candidates that are near, by sets of strings."""
    from synth.text import jaccard, shingles, words

    before = time.process_time()
    peak = peak_mb()
    needed = {number for pair in pairs for number in pair}
    sets = {number: shingles(words(texts[number]), size) for number in needed}
    near = [pair for pair in pairs if jaccard(sets[pair[0]], sets[pair[1]]) >= threshold]
    seconds = time.process_time() - before
    found = np.asarray(near, dtype=np.int64).reshape(-1, 2)
    return {"pairs": found, "candidates": len(pairs), "of it verifying": seconds, "peak before": peak}


def peak_mb() -> float:
    """Of this process; `getrusage` would count what its parent held when it started this one."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


FIND = {
    "synth": find_with_synth,
    "synth originals": find_originals_with_synth,
    "datasketch": find_with_datasketch,
    "rensa": find_with_rensa,
}


def run_one(method: str, path: str, size: str, threshold: str, out: str) -> None:
    """One method in this process."""
    texts = read_texts(Path(path))
    base, started, cpu = peak_mb(), time.perf_counter(), time.process_time()
    found = FIND[method](texts, int(size), float(threshold))
    seconds, cpu, peak = time.perf_counter() - started, time.process_time() - cpu, peak_mb()
    pairs = found.pop("pairs")
    np.save(out, np.unique(pairs[:, 0] * len(texts) + pairs[:, 1]))
    print(orjson.dumps({"seconds": seconds, "cpu": cpu, "base": base, "peak": peak, **found}).decode())


def in_own_process(method: str, path: Path, size: int, threshold: float) -> tuple[dict[str, float], Any]:
    out = path.with_suffix(".npy")
    command = [sys.executable, __file__, "--one", method, str(path), str(size), str(threshold), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]), np.load(out)


def join_by_hand(texts: Sequence[str], size: int, threshold: float) -> set[tuple[int, int]]:
    """Every near pair: overlaps counted over an inverted index of all shingles."""
    from synth.text import shingles, words

    sets = [shingles(words(text), size) for text in texts]
    index: dict[str, array[int]] = defaultdict(lambda: array("i"))
    near = set()
    sizes = np.asarray([len(each) for each in sets])
    for number, mine in enumerate(sets):
        before = [np.array(index[shingle], dtype=np.int32) for shingle in sorted(mine)]
        shared = np.bincount(np.concatenate([np.empty(0, dtype=np.int32), *before]), minlength=number)
        similarity = shared / np.maximum(len(mine) + sizes[:number] - shared, 1)
        near.update((int(other), number) for other in np.flatnonzero(similarity >= threshold))
        for shingle in mine:
            index[shingle].append(number)
    return near


def is_near(texts: Sequence[str], pair: tuple[int, int], size: int, threshold: float) -> bool:
    from synth.text import jaccard, shingles, words

    one, other = (shingles(words(texts[number]), size) for number in pair)
    return jaccard(one, other) >= threshold


def compare(name: str, texts: Sequence[str], size: int, threshold: float, methods: Sequence[str]) -> None:
    """One case: every method, and who found what."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.txt"
        path.write_text("\n".join(texts), encoding="utf-8")
        found = {}
        for method in methods:
            report, pairs = in_own_process(method, path, size, threshold)
            found[method] = pairs
            rest = {k: round(v, 1) for k, v in report.items() if k not in ("seconds", "cpu", "base", "peak")}
            print(
                f"| {name} | {method} | {report['seconds']:.1f} | {report['cpu']:.1f} | {report['peak']:.0f} "
                f"(texts {report['base']:.0f}) | {len(pairs):,} | {rest or ''} |",
                flush=True,
            )
    ours = found["synth"]
    draw = random.Random(1)
    checked = draw.sample(ours.tolist(), min(len(ours), 200_000))
    false = sum(not is_near(texts, divmod(code, len(texts)), size, threshold) for code in checked)
    print(f"  {name}: of {len(checked):,} pairs of synth {false} are not near by sets of strings")
    for method in set(methods) & {"datasketch", "rensa"}:
        missed = np.setdiff1d(found[method], ours).size
        print(
            f"  {name}: {missed} pairs of {method} are not among synth's; recall {method} {found[method].size / max(ours.size, 1):.4f}"
        )


def check_sample(name: str, texts: Sequence[str], size: int, threshold: float) -> None:
    truth = join_by_hand(texts, size, threshold)
    pairs = {tuple(pair) for pair in find_with_synth(list(texts), size, threshold)["pairs"].tolist()}
    print(
        f"  {name}: sample of {len(texts):,}: {len(truth):,} near pairs, synth finds {len(pairs & truth):,} and {len(pairs - truth)} others"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=50_000)
    parser.add_argument("--crowd", type=int, default=10_000)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--only", default="", help="cases whose names hold this")
    asked = parser.parse_args()
    methods = asked.methods.split(",")
    print("| case | method | seconds | CPU seconds | peak MB | near pairs | |\n|---|---|---|---|---|---|---|")
    for name, (size, threshold) in CASES.items():
        if asked.only in name:
            texts = make_texts(asked.texts, 2 if size == 1 else 6)
            compare(name, texts, size, threshold, methods)
            check_sample(name, texts[: asked.sample], size, threshold)
    if asked.only in "crowd 0.8":
        compare("crowd 0.8", make_crowd(asked.crowd), 1, 0.8, methods)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_one(*sys.argv[2:])
    else:
        main()
