"""A teacher: is it there, does it embed, does it rank what is related first?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from synth import registry
from synth.doctor.finding import Finding, broken, ok
from synth.pairs import Pairs
from synth.pairs.pool import make_pool
from synth.progress import Silent
from synth.teachers import Embedder, build_teacher, close_teacher
from synth.teachers.settings import parse_model, reach_teacher

QUERY = "What rate of interest does the loan bear?"
RELATED = "The loan bears interest at a rate of five per cent a year."
UNRELATED = "Whales are mammals that live in the sea and breathe air."


def check_teacher(flag: str) -> Finding:
    """Takes two texts through all that a run does with its passages. Raises InputError and RunError.

    The search is exact, whatever index the flag names: that is for more than two passages.
    """
    name, settings = reach_teacher(flag)
    if name not in registry.names("teachers"):
        name = str(parse_model(name)[0].embedding)
    with tempfile.TemporaryDirectory(prefix="synth-doctor-") as temporary:
        folder = Path(temporary)
        corpus = make_pool(Pairs.of([QUERY], [[RELATED]], [UNRELATED]), folder / "pools", Silent())
        teacher = build_teacher(name, folder / "teacher", folder / "embeddings", settings)
        try:
            teacher.index(corpus, Silent())
            hits = teacher.search([QUERY], np.asarray([0]), 2)
            embeds = isinstance(teacher, Embedder)
            dimension = teacher.embed_queries([QUERY]).shape[1] if isinstance(teacher, Embedder) else 0
        finally:
            close_teacher(teacher)
    scores = dict(zip(hits.passages[0].tolist(), hits.scores[0].tolist(), strict=True))
    related, other = float(hits.positive_scores[0]), scores.get(1, 0.0)
    told = f"{f'{dimension:,} dimensions; ' if embeds else ''}scores a related passage {related:.2f} and another {other:.2f}"
    if related <= other:
        return broken(
            "teacher", f"{name}: {told}", "name a model that was trained to retrieve, or its prompts: ,query_prompt=…"
        )
    return ok("teacher", f"{name}: {told}")
