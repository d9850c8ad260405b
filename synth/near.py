"""Near-duplicate texts: MinHash to nominate, exact Jaccard to decide.

Signatures come from rensa (MinHash, fixed seed, 32 permutations unless told otherwise). Bands that agree make
a candidate pair; only the exact Jaccard similarity of the shingle sets decides. The pairs
do not depend on the order of the texts beyond their numbering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from synth.text import jaccard, shingles, words

PERMUTATIONS = 32
_SEED = 20_261_123
_LARGEST_BUCKET = 64

Pairs = npt.NDArray[np.int64]
Signatures = npt.NDArray[np.uint32]


def shingle_set(text: str, size: int) -> set[str]:
    """The set of word n-grams that near-duplicates are judged by."""
    return shingles(words(text), size)


def sign(text: str, size: int, permutations: int = PERMUTATIONS) -> Signatures:
    """MinHash signature of a text, shape (permutations,)."""
    sketch = RMinHash(num_perm=permutations, seed=_SEED)
    sketch.update(sorted(shingle_set(text, size)) or [""])
    return np.asarray(sketch.digest(), dtype=np.uint32)


def sign_all(texts: Iterable[str], size: int, permutations: int = PERMUTATIONS) -> Signatures:
    """Signatures of many texts, shape (n, permutations)."""
    rows = [sign(text, size, permutations) for text in texts]
    return np.stack(rows) if rows else np.empty((0, permutations), dtype=np.uint32)


def find_near_pairs(
    signatures: Signatures, fetch: Callable[[Sequence[int]], Sequence[str]], *, threshold: float, size: int
) -> Pairs:
    """Pairs (i, j), i < j, whose Jaccard similarity is at least `threshold`, shape (n, 2).

    `fetch` returns the texts of the given numbers; it is asked only for candidates.
    In a bucket of equal bands each text is compared with the first and with the 64 before it.
    """
    candidates = _candidates(signatures, rows_per_band=4 if threshold >= 0.75 else 2)
    kept = []
    for start in range(0, len(candidates), 10_000):
        block = candidates[start : start + 10_000]
        numbers = np.unique(block)
        sets = {int(n): shingle_set(t, size) for n, t in zip(numbers, fetch(numbers.tolist()), strict=True)}
        kept += [(i, j) for i, j in block.tolist() if jaccard(sets[i], sets[j]) >= threshold]
    return np.asarray(kept, dtype=np.int64).reshape(-1, 2)


def _candidates(signatures: Signatures, rows_per_band: int) -> Pairs:
    blocks = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, signatures.shape[1], rows_per_band):
        band = np.ascontiguousarray(signatures[:, start : start + rows_per_band])
        keys = band.view(np.dtype((np.void, band.dtype.itemsize * rows_per_band))).ravel()
        _, group = np.unique(keys, return_inverse=True)
        order = np.argsort(group, kind="stable")
        sorted_groups = group[order]
        firsts = np.flatnonzero(np.diff(sorted_groups, prepend=-1))
        first = firsts[sorted_groups]
        later = np.flatnonzero(np.arange(len(order)) > first)
        blocks.append(np.stack([order[first[later]], order[later]], axis=1))
        for distance in range(1, _LARGEST_BUCKET + 1):
            same = np.flatnonzero(sorted_groups[distance:] == sorted_groups[:-distance])
            if not len(same):
                break
            blocks.append(np.stack([order[same], order[same + distance]], axis=1))
    return np.unique(np.concatenate(blocks), axis=0)
