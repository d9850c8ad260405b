"""Teachers and rescorers: are they there, do they embed or score, do they put what is related first?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from synth import registry
from synth.doctor.disk import in_words
from synth.doctor.endpoint import check_reachable
from synth.doctor.finding import Finding, broken, ok, warning
from synth.doctor.packages import how_to_install, installed_version
from synth.errors import suggest_file
from synth.hub import check_repo_id
from synth.hub_read import look_for_model
from synth.llm.endpoints import Endpoint
from synth.pairs import Pairs
from synth.pairs.pool import make_pool
from synth.progress import Silent
from synth.teachers import Embedder, build_teacher, close_teacher
from synth.teachers.rescore import build_rescorer, reach_rescorer
from synth.teachers.settings import SERVED, TeacherModel, TeacherSettings, parse_model, reach_teacher

QUERY = "What rate of interest does the loan bear?"
RELATED = "The loan bears interest at a rate of five per cent a year."
UNRELATED = "Whales are mammals that live in the sea and breathe air."


def check_teacher(flag: str) -> Finding:
    """Takes two texts through all that a run does with its passages. Raises InputError and RunError.

    The search is exact, whatever index the flag names: that is for more than two passages.
    """
    if trouble := _check_server("teacher", flag, "--teacher"):
        return trouble
    name, settings = reach_teacher(flag)
    if name not in registry.names("teachers"):
        model, _ = parse_model(name)
        if not model.is_served and (trouble := check_local("teacher", model)):
            return trouble
        name = str(model.embedding)
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
    vectors = f"{dimension:,} dimensions; " if embeds else ""
    advice = "name a model that was trained to retrieve, or its prompts: ,query_prompt=…"
    return _compare(
        "teacher", _shown(name, settings), (float(hits.positive_scores[0]), scores.get(1, 0.0)), advice, vectors
    )


def check_rescorer(flag: str) -> Finding:
    """Scores two pairs. Raises InputError and RunError."""
    if trouble := _check_server("rescorer", flag, "--rescore"):
        return trouble
    name, settings = reach_rescorer(flag)
    model, _ = parse_model(name, "--rescore")
    if not model.is_served and (trouble := check_local("rescorer", model)):
        return trouble
    with tempfile.TemporaryDirectory(prefix="synth-doctor-") as temporary:
        rescorer = build_rescorer(name, Path(temporary), settings)
        try:
            related, other = rescorer.score([QUERY, QUERY], [RELATED, UNRELATED]).tolist()
            scale = f"scores of the kind {rescorer.range}; "
        finally:
            rescorer.close()
    return _compare(
        "rescorer", _shown(name, settings), (related, other), "name a model that was trained to rank passages", scale
    )


def _shown(name: str, settings: TeacherSettings) -> str:
    return f"{settings.url} with {name.removeprefix(SERVED)}" if settings.url else name


def _compare(role: str, name: str, scores: tuple[float, float], advice: str, more: str) -> Finding:
    """`scores` are of the related passage and of the other."""
    related, other = scores
    told = f"{name}: {more}scores a related passage {related:.2f} and another {other:.2f}"
    return ok(role, told) if related > other else broken(role, told, advice)


def _check_server(role: str, typed: str, flag: str) -> Finding | None:
    """What is wrong with the address, where it is one."""
    if not typed.startswith(("http://", "https://")):
        return None
    return check_reachable(Endpoint(url=parse_model(typed, flag)[1].url), flag, role)


def check_local(role: str, model: TeacherModel) -> Finding | None:
    """What keeps a model from being loaded here, as far as it shows before torch is imported; None for nothing.

    A model that would have to be fetched is not: that may be gigabytes.
    """
    name, path = model.name, Path(model.name).expanduser()
    if not installed_version("sentence-transformers"):
        return broken(role, f"{name}: sentence-transformers is not installed", how_to_install("teacher"))
    if path.is_dir():
        return None
    if name.count("/") > 1 or name.startswith((".", "~", "/")):
        near = suggest_file(path).removeprefix("; ")
        return broken(role, f"there is no folder {name}", near or "give the folder of a model, or its name on the Hub")
    repo = name if "/" in name else f"sentence-transformers/{name}"
    check_repo_id(repo)
    place = look_for_model(repo, model.revision)
    if place.is_here and not place.problem:
        return None
    if place.is_here:
        said = f"{repo} is in the cache, and the Hub, which is asked first, can't be reached ({place.problem})"
        return warning(role, said, "export HF_HUB_OFFLINE=1, so that a run does not wait for it")
    if place.is_there:
        fetch = f"hf download {repo}{f' --revision {model.revision}' if model.revision else ''}"
        said = f"{repo} is on the Hub and not here; the first run fetches it (its files have {in_words(place.bytes)})"
        return warning(role, said, f"{fetch}, then look again")
    if place.is_offline:
        return broken(
            role,
            f"{repo} is not in the cache, and HF_HUB_OFFLINE is set",
            "unset HF_HUB_OFFLINE, or give a folder",
        )
    if place.problem:
        said = f"{repo} is not in the cache, and the Hub can't be asked for it ({place.problem})"
        return broken(role, said, "see the network, a proxy or HF_ENDPOINT, or give the folder of a model")
    said = f"the Hub has no model {repo} that can be seen from here, nor is there a folder of that name"
    return broken(role, said, "check the name; a private or gated model needs `hf auth login`")
