"""Which of the candidates that may be negatives are taken; drawn by hash, so never by their order."""

from __future__ import annotations

import numpy as np

from schemas.recipe import MiningSettings
from synth.arrays import Ints, Keys, Mask
from synth.corpus import Corpus
from synth.mining.candidates import Candidates
from synth.ragged import place_in_group

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def choose(settings: MiningSettings, candidates: Candidates, left: Mask, corpus: Corpus, seed: int) -> Mask:
    """At most `settings.negatives` rows of each query out of those that are left, shape (rows,).

    The same query and passage draw the same number, whatever else is in the table.
    """
    if settings.sampling == "top":
        return _first(candidates.query, left, settings.negatives)
    pool = _first(candidates.query, left, settings.sample_pool)
    keys = corpus.passage_key[candidates.passage]
    drawn = uniform(candidates.query_key[candidates.query] ^ mix(keys), seed)
    if settings.sampling == "uniform":
        key = drawn
    else:  # the Gumbel-top-k trick: n draws without replacement, in proportion to exp(score / temperature)
        key = candidates.score.astype(np.float64) / settings.temperature - np.log(-np.log(drawn))
        if settings.sampling == "top1_sampled":
            key[_first(candidates.query, pool, 1)] = np.inf
    rows = np.flatnonzero(pool)
    order = rows[np.lexsort((candidates.rank[rows], -key[rows], candidates.query[rows]))]
    place = place_in_group(candidates.query[order])
    taken = np.zeros(len(left), dtype=bool)
    taken[order[place < settings.negatives]] = True
    return taken


def mix(keys: Keys) -> Keys:
    """Well-spread 64-bit hashes of 64-bit numbers (the finaliser of SplitMix64)."""
    z = keys.astype(np.uint64) + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(keys: Keys, seed: int) -> np.typing.NDArray[np.float64]:
    """In the open interval (0, 1)."""
    hashed = mix(mix(keys) ^ mix(np.asarray([seed], dtype=np.uint64)))
    return ((hashed >> np.uint64(11)).astype(np.float64) + 0.5) / (1 << 53)


def even_shares(sizes: Ints, n: int) -> Ints:
    """How many of each stratum: what small ones do not need goes to the others."""
    shares = np.zeros(len(sizes), dtype=np.int64)
    left = min(n, int(sizes.sum()))
    while left:
        room = np.flatnonzero(shares < sizes)
        more = max(left // len(room), 1)
        for number in room[: left if more == 1 else None].tolist():
            given = min(more, int(sizes[number] - shares[number]), left)
            shares[number] += given
            left -= given
    return shares


def _first(query: Ints, left: Mask, wanted: int) -> Mask:
    place = place_in_group(query, left)
    first: Mask = (place >= 0) & (place < wanted)
    return first
