"""Which personas a passage may get: the k whose description the teacher finds nearest to it.

A table with a row a passage is written once into the run's folder; the plan and every shard, in whatever process,
read the same file. Memory is bounded by blocks of passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from schemas.persona import Persona
from schemas.recipe import Recipe
from synth.corpus import Corpus
from synth.files import replace_atomically
from synth.plan import Nearest
from synth.progress import Reporter
from synth.teachers import Teacher, close_teacher, comparing

FILE = "nearest-personas.npy"


def needs_match(recipe: Recipe) -> bool:
    """Whether the plan needs to know which personas are near to a passage."""
    return recipe.persona.match == "top-k" and recipe.persona.scope != "none"


def match_personas(
    recipe: Recipe, corpus: Corpus, personas: Sequence[Persona], teacher: Teacher, folder: Path, reporter: Reporter
) -> Nearest | None:
    """The table for `Plan`, read from `folder` where it is there; None where any persona will do.

    Shape (passages, k), numbers of personas in the order of their ids, nearest first, -1 behind the last that is near
    at all. `teacher` has indexed the corpus. Raises InputError where it can't compare personas.
    """
    if not needs_match(recipe):
        return None
    path = folder / FILE
    if not path.exists():
        ordered = sorted(personas, key=lambda persona: persona.id)
        count = min(recipe.persona.k, len(ordered))
        texts = ["\n".join([persona.text, *persona.asks]) for persona in ordered]
        blocks = comparing(teacher, recipe.scored_by).nearest(corpus, texts, count)
        reporter.stage("match personas", len(corpus))
        with replace_atomically(path) as temporary:
            table = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.int32, shape=(len(corpus), count))
            start = 0
            for block in blocks:
                table[start : start + len(block)] = block
                start += len(block)
                reporter.advance(len(block))
            table.flush()
    nearest: Nearest = np.load(path, mmap_mode="r").view(np.ndarray)  # slices of a memmap cost microseconds
    return nearest


def match_without_run(
    recipe: Recipe, corpus: Corpus, personas: Sequence[Persona], teacher: Teacher, folder: Path, reporter: Reporter
) -> Nearest | None:
    """The same for looking at a plan: the teacher indexes the corpus only where it is needed."""
    if not needs_match(recipe):
        return None
    reporter.stage("index passages", len(corpus))
    try:
        teacher.index(corpus, reporter)
        return match_personas(recipe, corpus, personas, teacher, folder, reporter)
    finally:
        close_teacher(teacher)
