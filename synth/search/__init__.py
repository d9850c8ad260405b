"""Which passages score best for a query, by inner product: exact first, on CPU or GPU.

Whatever the backend, the tile size or the storage, the same vectors give the same ordinals and
scores: what a backend finds are candidates, and their scores are computed again in one
arithmetic, that of `score_pairs`, which positives go through as well. How far a backend's own
scores may be off is bounded, and a query whose last place is within that bound is searched deeper.
"""

from synth.search.approximate import Breadth, Recall
from synth.search.backends import Backend, FaissDevices, Found, GpuDevices, Gpus, has_faiss
from synth.search.check import check_backend
from synth.search.dispatch import Report, Searcher, SearchSettings, choose_backend, search
from synth.search.exact import search_exactly
from synth.search.scoring import TIE, find_pairs_above, score_at, score_pairs

__all__ = [
    "TIE",
    "Backend",
    "Breadth",
    "FaissDevices",
    "Found",
    "GpuDevices",
    "Gpus",
    "Recall",
    "Report",
    "SearchSettings",
    "Searcher",
    "check_backend",
    "choose_backend",
    "find_pairs_above",
    "has_faiss",
    "score_at",
    "score_pairs",
    "search",
    "search_exactly",
]
