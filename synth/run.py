"""A run: its folder, what it was asked for, and its stages in order.

runs/RUN_ID/run.json        how it runs: documents, shard size (never part of the recipe)
runs/RUN_ID/recipe.json     what is made
runs/RUN_ID/personas.jsonl
runs/RUN_ID/instructions.jsonl    task instructions, where any are pinned
runs/RUN_ID/facts.json      what made negatives may change, where any are asked for
runs/RUN_ID/evaluation/     evaluation sets that the records are compared with
runs/RUN_ID/parent/         what an update takes over from the version before (`synth.carried`)
runs/RUN_ID/corpus/         documents, passages, near-duplicate pairs, term statistics
runs/RUN_ID/teacher/        the teacher's index of the passages
runs/RUN_ID/nearest-personas.npy    the personas near to each passage, where they are matched
runs/RUN_ID/items/          one file a shard: every planned item and what became of it
runs/RUN_ID/scores/         one score table a shard
runs/RUN_ID/consistency/    queries ranked for passages, where the gate asks for that
runs/RUN_ID/result.json     the version it published: the last file a run writes
"""

from __future__ import annotations

import functools
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.base import Strict
from schemas.persona import Persona
from schemas.recipe import Recipe
from synth.assess import check_set_gates
from synth.carried import carried_shards, carry, know_parent, read_planned, read_taken
from synth.corpora import Documents, make_corpus
from synth.corpus import Corpus
from synth.enough import MapShards, make_enough
from synth.errors import RunError, StoreError, suggest
from synth.evaluation import HUB
from synth.fetch import origin_of
from synth.files import write_bytes, write_model
from synth.generators import Equipment, build_generator
from synth.instructions import NONE_PINNED, Instructions, load_instructions
from synth.lease import Lease, is_alive, read_holder
from synth.llm.company import together
from synth.llm.settings import LlmSettings
from synth.personas.match import match_personas
from synth.plan import Plan
from synth.progress import Reporter, Silent
from synth.publish import publish
from synth.recipe import Resolved
from synth.refine import corpus_of
from synth.shard import Shard, Workshop, make_shards
from synth.store import Store, VersionRef
from synth.teachers import close_teacher
from synth.teachers.scoring import ReachSettings, Scoring, build_scoring
from synth.teachers.settings import TeacherSettings
from synth.update import find_parent
from synth.view import EVALUATIONS

DEFAULT_SHARD_SIZE = 1_000

_WORKSHOPS_KEPT = 2
_workshops: dict[Path, Workshop] = {}
_opening = threading.Lock()


class RunInfo(Strict):
    """run.json: how and from where; holds no secret."""

    id: str
    name: str
    created: str
    documents: list[str]
    origins: list[str] = []
    """Addresses, with commits, of the documents that were fetched from the Hub."""
    text_field: str | None = None
    title_field: str | None = None
    id_field: str | None = None
    parent: str = ""
    """The version that is updated, NAME@N."""
    refines: bool = False
    """Whether the parent's own passages are the documents (`synth.refine`)."""
    decontaminate: list[str] = []
    """Where the evaluation sets were read from."""
    licence: str = ""
    shard_size: int = DEFAULT_SHARD_SIZE
    llm: LlmSettings | None = None
    """Servers and budget, where the generator asks an LLM."""
    teacher: TeacherSettings = TeacherSettings()
    """Server, devices and batches of the teacher."""
    scoring: ReachSettings = ReachSettings()
    """The same of further teachers and of a rescorer."""


class Result(Strict):
    """result.json: what the run published."""

    name: str
    version: int


@dataclass(frozen=True)
class Run:
    """An execution in a store; everything it knows is in its folder."""

    store: Store
    id: str

    @property
    def folder(self) -> Path:
        return self.store.runs / self.id

    @functools.cached_property
    def info(self) -> RunInfo:
        return RunInfo.model_validate_json((self.folder / "run.json").read_bytes())

    @property
    def recipe(self) -> Recipe:
        return Recipe.model_validate_json((self.folder / "recipe.json").read_bytes())

    @property
    def scoring(self) -> Scoring:
        """Who scores, and how each is reached."""
        return Scoring.of(self.recipe, self.info.teacher, self.info.scoring)

    @functools.cached_property
    def personas(self) -> list[Persona]:
        lines = (self.folder / "personas.jsonl").read_text(encoding="utf-8").splitlines()
        return [Persona.model_validate_json(line) for line in lines]

    @functools.cached_property
    def instructions(self) -> Instructions:
        path = self.folder / "instructions.jsonl"
        return load_instructions(path) if path.exists() else NONE_PINNED

    @property
    def result(self) -> Result | None:
        """What it published; None while it is unfinished."""
        path = self.folder / "result.json"
        return Result.model_validate_json(path.read_bytes()) if path.exists() else None

    @property
    def is_busy(self) -> bool:
        holder = read_holder(self.folder / "lease.json")
        return holder is not None and is_alive(holder)

    def shards(self, stop: int) -> list[Shard]:
        """The plan's prefix [0, stop) cut into shards."""
        size = self.info.shard_size
        return [Shard(start, min(start + size, stop)) for start in range(0, stop, size)]


def create_run(
    resolved: Resolved,
    store: Store,
    *,
    shard_size: int = DEFAULT_SHARD_SIZE,
    text_field: str | None = None,
    title_field: str | None = None,
    id_field: str | None = None,
    llm: LlmSettings | None = None,
) -> Run:
    """Write the run's folder; nothing is read or generated yet. Raises StoreError."""
    store.check_writable()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    run = Run(store, f"{resolved.name}-{stamp}-{secrets.token_hex(2)}")
    info = RunInfo(
        id=run.id,
        name=resolved.name,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        documents=[str(path.absolute()) for path in resolved.documents],
        origins=[origin for path in resolved.documents if (origin := origin_of(path))],
        text_field=text_field,
        title_field=title_field,
        id_field=id_field,
        parent=resolved.parent,
        refines=resolved.refines,
        decontaminate=[absolute_set(place) for place in resolved.decontaminate],
        licence=resolved.licence,
        shard_size=shard_size,
        llm=llm,
        teacher=resolved.scoring.reached[0],
        scoring=resolved.scoring.others,
    )
    write_bytes(
        run.folder / "personas.jsonl", b"".join(p.model_dump_json().encode() + b"\n" for p in resolved.personas)
    )
    if resolved.instructions.listed:
        write_bytes(run.folder / "instructions.jsonl", resolved.instructions.dump())
    if resolved.facts is not None:
        write_model(run.folder / "facts.json", resolved.facts)
    for evaluation in resolved.evaluations:
        evaluation.save(run.folder / EVALUATIONS)
    write_model(run.folder / "recipe.json", resolved.recipe)
    write_model(run.folder / "run.json", info)
    return run


def absolute_set(place: str) -> str:
    """Where an evaluation set is, whatever folder a process starts in."""
    return place if place.startswith(HUB) else str(Path(place).expanduser().absolute())


def discard_unmade(run: Run) -> None:
    """Remove a run that made no item yet, because its documents or teacher can't be used: there is nothing to resume."""
    carried = {shard.items_path(run.folder) for shard in carried_shards(run.folder, run.info.shard_size)}
    if carried.issuperset((run.folder / "items").glob("*")):
        shutil.rmtree(run.folder, ignore_errors=True)


def iterate_runs(store: Store) -> Iterator[Run]:
    """Runs of a store, oldest first."""
    folders = store.runs.iterdir() if store.runs.is_dir() else iter(())
    found = [Run(store, path.name) for path in folders if (path / "run.json").is_file()]
    yield from sorted(found, key=lambda run: (run.info.created, run.id))


def find_run(store: Store, run_id: str | None) -> Run:
    """The run called `run_id`, or the newest unfinished one; StoreError where there is none."""
    runs = list(iterate_runs(store))
    if run_id is None:
        unfinished = [run for run in runs if run.result is None]
        if not unfinished:
            raise StoreError(f"no unfinished run in {store.root}; start one with `synth generate`")
        return unfinished[-1]
    for run in runs:
        if run.id == run_id:
            return run
    raise StoreError(f"there is no run {run_id!r} in {store.root}{suggest(run_id, [r.id for r in runs])}")


def map_in_process(run: Run, shards: Sequence[Shard], reporter: Reporter) -> int | None:
    """Make the shards as one stream, here."""
    return make_shards(open_workshop(run, reporter), shards, reporter)


def execute(run: Run, reporter: Reporter | None = None, map_shards: MapShards = map_in_process) -> VersionRef:
    """Take a run from wherever it is to a published version.

    Every stage skips what its files already hold, so this is also how a run is resumed.
    Raises InputError for what the user can fix, RunBusy when another process holds the run.
    """
    reporter = reporter or Silent()
    with Lease(run.folder), together(run.folder, run.info.llm):
        if run.result is not None:
            return run.store.find(f"{run.result.name}@{run.result.version}")
        read_corpus(run, reporter)
        unchanged = _unchanged(run, reporter)
        if unchanged is not None:
            return unchanged
        workshop = open_workshop(run, reporter)
        try:
            enough = make_enough(run, workshop, reporter, map_shards)
        finally:
            close_workshop(run)
        version = publish(run.folder, run.info, workshop, enough.assessment, run.store, reporter, enough.partial)
        _tell_overtaken(run, version, reporter)
        if not enough.resumable:
            write_model(run.folder / "result.json", Result(name=version.name, version=version.number))
        from synth.catalog import rebuild_catalog  # DuckDB takes a while to import, and requests should not wait for it

        rebuild_catalog(run.store)
        return version


def _tell_overtaken(run: Run, version: VersionRef, reporter: Reporter) -> None:
    """Say which versions of other runs came between the parent and an update, which holds nothing of them."""
    parent = run.info.parent.partition("@")[2]
    if not parent or run.info.refines:
        return
    between = [each for each in run.store.iterate(version.name) if int(parent) < each.number < version.number]
    strangers = [str(each) for each in between if each.manifest.run_id != run.id]
    if strangers:
        reporter.note(
            f"{', '.join(strangers)} came meanwhile: {version} is an update of {run.info.parent} and holds nothing of it; run the update again to have both"
        )


def prepare(run: Run, reporter: Reporter) -> Workshop:
    """Documents to passages, and the teacher's index of them."""
    read_corpus(run, reporter)
    return open_workshop(run, reporter)


def read_corpus(run: Run, reporter: Reporter) -> None:
    """Documents to passages, and the parent's records to those that are carried over and those retired."""
    recipe, info = run.recipe, run.info
    if recipe.corpus_sha256:
        return
    documents = Documents(tuple(map(Path, info.documents)), info.text_field, info.title_field, info.id_field)
    parent = find_parent(run.store, info.parent, recipe.parent) if recipe.parent else None
    known = know_parent(parent, recipe.parent, run.folder) if parent and recipe.parent else None
    folder = run.folder / "corpus"
    if parent and info.refines:
        corpus, corpus_sha256 = corpus_of(parent, recipe, folder, reporter), parent.manifest.recipe.corpus_sha256
    else:
        corpus, _, corpus_sha256 = make_corpus(documents, recipe, run.store.corpora, folder, reporter, known=known)
    if parent and known:
        reporter.stage("carry records over", parent.manifest.records)
        carry(parent, known, corpus, run.folder, recipe, info.shard_size)
        if parent.manifest.partial:
            reporter.note(
                f"{parent} is partial ({parent.manifest.partial}); what it left out of old documents stays out"
            )
    write_model(run.folder / "recipe.json", recipe.model_copy(update={"corpus_sha256": corpus_sha256}))


def _unchanged(run: Run, reporter: Reporter) -> VersionRef | None:
    """The parent, where an update would change nothing; the run is then finished."""
    if run.recipe.parent is None or not read_taken(run.folder).changes_nothing:
        return None
    parent = find_parent(run.store, run.info.parent, run.recipe.parent)
    reporter.note(f"nothing changed: the documents are those of {parent}, and so are the settings")
    write_model(run.folder / "result.json", Result(name=parent.name, version=parent.number))
    return parent


def open_workshop(run: Run, reporter: Reporter) -> Workshop:
    """What shards need: opened once per process for a run, also when threads ask together."""
    with _opening:
        if run.folder not in _workshops:
            while len(_workshops) >= _WORKSHOPS_KEPT:
                del _workshops[next(iter(_workshops))]
            _workshops[run.folder] = _open(run, reporter)
        return _workshops[run.folder]


def close_workshop(run: Run) -> None:
    """Let go of what a run's generator and teacher hold, such as connections; a later shard opens it anew."""
    with _opening:
        workshop = _workshops.pop(run.folder, None)
    if workshop is None:
        return
    close_teacher(workshop.teacher)
    close = getattr(workshop.generator, "close", None)
    if close is not None:
        close()


def _open(run: Run, reporter: Reporter) -> Workshop:
    recipe, info, corpus = run.recipe, run.info, Corpus(run.folder / "corpus")
    if not recipe.corpus_sha256:
        raise RunError(f"the run {run.id} has no passages yet; run `synth resume {run.id}`")
    reporter.stage("index passages", len(corpus))
    teacher = build_scoring(run.scoring, run.folder / "teacher", run.store.embeddings)
    teacher.index(corpus, reporter)
    nearest = match_personas(recipe, corpus, run.personas, teacher, run.folder, reporter) if run.personas else None
    planned = read_planned(run.folder) if recipe.parent else None
    plan = Plan(recipe, corpus.ids, [persona.id for persona in run.personas], nearest, planned, corpus.languages)
    generator = build_generator(Equipment(recipe, corpus.lexicon, run.store.answers, run.folder, info.llm))
    personas = {persona.id: persona for persona in run.personas}
    carried = carried_shards(run.folder, info.shard_size)
    updated = info.parent.partition("@")[0]
    workshop = Workshop(
        run.folder,
        recipe,
        corpus,
        plan,
        personas,
        teacher,
        generator,
        run.scoring,
        carried,
        updated,
        run.instructions,
        info.refines,
    )
    check_set_gates(workshop)
    return workshop
