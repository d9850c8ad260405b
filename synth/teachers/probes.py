"""Which weights a server has, told by what it makes of a few fixed sentences.

Their vectors or scores are kept in the store. A server that gives the same up to the noise of its arithmetic, which
a hash of its numbers would not survive, is known by the same fingerprint.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from synth.arrays import Floats
from synth.files import replace_atomically
from synth.teachers.settings import PROMPTS, TeacherModel

PROBES = (
    "The quick brown fox jumps over the lazy dog.",
    "Interest on the loan is the reference rate plus a margin of two percent.",
    "Wie lange gilt die Garantie?",
)
SAME = 0.999
"""Cosine from which two vectors of a probe are of the same weights; half precision and batching cost less."""


def folder_of(embeddings: Path, model: TeacherModel) -> Path:
    """Where the probes of a model are kept, by its name and what was asked of it."""
    bare = model.embedding.model_copy(update=dict.fromkeys(PROMPTS) | {"dtype": ""})
    return embeddings / "probes" / f"{Path(model.name).name}-{hashlib.sha256(str(bare).encode()).hexdigest()[:12]}"


def known_as(probes: Floats, folder: Path) -> str:
    """The fingerprint under which `folder` keeps these vectors of the probes; they are added where it has none like them."""
    own = hashlib.sha256(np.round(probes, 3).tobytes()).hexdigest()[:16]
    if not (found := _alike(probes, folder)):
        with replace_atomically(folder / f"{own}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, probes)
        found = _alike(probes, folder)
    return found or own


def _alike(probes: Floats, folder: Path) -> str:
    for path in sorted(folder.glob("*.npy")):
        kept = np.load(path)
        if kept.shape == probes.shape and float(np.einsum("ij,ij->i", kept, probes).min()) >= SAME:
            return path.stem
    return ""
