"""What is never a negative, whatever it scores: positives, their likes, and their surroundings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from schemas.recipe import MiningSettings
from synth.arrays import Ints, Mask
from synth.corpus import Corpus, contains
from synth.mining.candidates import Candidates
from synth.ragged import spread


def guarded(corpus: Corpus, settings: MiningSettings, candidates: Candidates) -> Iterator[tuple[str, Mask]]:
    """(reason, which candidates it concerns), shape (rows,) each, the plainest reason first."""
    siblings = _shares(corpus.document, candidates)
    yield "positive", _is_positive(corpus, candidates)
    yield "like_positive", _is_like_positive(corpus, candidates, siblings)
    yield "like_query", candidates.query_key[candidates.query] == corpus.text_key[candidates.passage]
    if not settings.same_document:
        yield "same_document", siblings
    if corpus.group is not None:
        yield "same_group", _shares(corpus.group, candidates)
    yield "other_split", _other_split(corpus, candidates)


def _is_positive(corpus: Corpus, candidates: Candidates) -> Mask:
    """Known positives of their query, shape (rows,)."""
    return _among(candidates, candidates.positives.owner, candidates.positives.passage, len(corpus))


def is_known(corpus: Corpus, candidates: Candidates) -> Mask:
    """Known positives, what is nearly identical to one, and overlapping chunks of its document, shape (rows,)."""
    siblings = _shares(corpus.document, candidates)
    return _is_positive(corpus, candidates) | _is_like_positive(corpus, candidates, siblings)


def _is_like_positive(corpus: Corpus, candidates: Candidates, siblings: Mask) -> Mask:
    """Nearly identical to a known positive, or one of its siblings that overlaps it, shape (rows,)."""
    positives = candidates.positives
    which, twins = corpus.near(positives.passage)
    found = _among(candidates, positives.owner[which], twins, len(corpus))
    rows = np.flatnonzero(siblings)
    which, places = spread(positives.starts(candidates.count), candidates.query[rows])
    touching = corpus.overlap(positives.passage[places], candidates.passage[rows[which]])
    found[rows[which[touching]]] = True
    return found


def _among(candidates: Candidates, owner: Ints, passage: Ints, size: int) -> Mask:
    """Which rows are one of the pairs (owner, passage)."""
    keys = np.sort(owner * size + passage)
    return contains(keys, candidates.query * size + candidates.passage)


def _shares(label: Ints, candidates: Candidates) -> Mask:
    """Which candidates have the label of a positive of their query; a negative label is shared with nobody."""
    positives, own = candidates.positives, label[candidates.passage]
    size = int(label.max(initial=0)) + 1
    theirs = label[positives.passage]
    keys = np.sort((positives.owner * size + theirs)[theirs >= 0])
    shared: Mask = contains(keys, candidates.query * size + own) & (own >= 0)
    return shared


def _other_split(corpus: Corpus, candidates: Candidates) -> Mask:
    """Train queries see train passages only; test is evaluated against the whole corpus. A query is where its own positive is."""
    owner, own = np.unique(candidates.positives.owner, return_index=True)
    is_test = np.zeros(candidates.count, dtype=bool)
    is_test[owner] = corpus.is_test[candidates.positives.passage[own]]
    other: Mask = ~is_test[candidates.query] & (corpus.is_test | corpus.leaked)[candidates.passage]
    return other
