"""Refining a version: other gates, another miner or another teacher for the records that it holds.

A refinement is an update whose documents are the version's own passages: nothing is generated, every record
is carried over or retired with a reason, and the negatives are mined anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.arrow import arrow_schema
from schemas.base import sha256_of
from schemas.document import Document
from schemas.facts import Facts
from schemas.recipe import Domain, MiningSettings, ParentSettings, Recipe
from synth.carried import essence_of
from synth.corpus import Corpus
from synth.domains import LoadedDomain, load_domain, load_facts
from synth.errors import InputError, StoreError
from synth.evaluation import EvaluationSet, read_evaluations
from synth.files import ParquetSink, copy_file, new_folder, read_batches, write_model
from synth.gates import build_record_gates, build_set_gates
from synth.ingest import compare_passages, main_language
from synth.lexicon import build_lexicon
from synth.progress import Reporter
from synth.recipe import CONTAMINATION, Choices, Resolved, kept_out_of, override, shared_settings
from synth.scale import on_scale
from synth.store import VersionRef
from synth.teachers.scoring import reach_scoring
from synth.update import differences_of

_NOT_OURS = "gates."
"""Record gates judge what is there; everything else that makes records belongs to `synth generate`."""


@dataclass(frozen=True)
class Changes:
    """What a refinement asks for; nothing said stays as the version has it."""

    config: Path | None = None
    """YAML with fields of a domain file: gates, set_gates, mining, perturbation, teacher, fusion, rescorer."""
    teacher: tuple[str, ...] = ()
    rescore: str | None = None
    decontaminate: tuple[str, ...] = ()
    """Evaluation sets that the records must be kept out of."""
    mining: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the miner; those of `config` apply after them."""


def as_refinement(version: VersionRef, changes: Changes) -> Resolved:
    """The version's recipe with the changes, and the version as its parent; a teacher's server is asked for its model.

    Raises InputError where a change would make other records, or nothing is changed.
    """
    manifest = version.manifest
    if manifest.is_imported:
        raise InputError(
            f"{version} was imported, and no recipe says how it was gated: use `synth gate {version} --out …` and `synth mine {version} --out …` instead"
        )
    before = manifest.recipe
    choices = Choices(before.domain, teacher=changes.teacher or None, rescore=changes.rescore, config=changes.config)
    domain = override(LoadedDomain(_mined_by(_domain_of(before), changes.mining), Path()), choices).domain
    evaluations = _evaluations(version, domain, changes)
    domain = kept_out_of(domain, evaluations)
    build_record_gates(domain.gates)
    build_set_gates(domain.set_gates)
    scoring = reach_scoring(domain)
    facts = _facts(before, domain)
    recipe = before.model_copy(
        update=shared_settings(on_scale(domain, scoring))
        | scoring.settings
        | {
            "corpus_sha256": "",
            "facts_sha256": sha256_of(facts) if facts is not None else "",
            "parent": ParentSettings(content_sha256=manifest.content_sha256),
        }
    )
    _check(version, before, recipe)
    return Resolved(
        name=version.name,
        recipe=recipe,
        personas=[],
        documents=(),
        licence="",
        scoring=scoring,
        decontaminate=changes.decontaminate,
        evaluations=evaluations,
        facts=facts,
        parent=str(version),
        refines=True,
    )


def _domain_of(recipe: Recipe) -> Domain:
    """The recipe as the domain it would come from, so that changes are merged and checked as those of `synth generate`."""
    return Domain(name=recipe.domain, title="", description="", corpus="", personas="", **_fields(recipe))


def _mined_by(domain: Domain, changes: Mapping[str, Any]) -> Domain:
    try:
        mining = MiningSettings.model_validate(domain.mining.model_dump() | dict(changes))
    except ValidationError as error:
        raise InputError(f"mining: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error
    return domain.model_copy(update={"mining": mining})


def _fields(recipe: Recipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in Domain.model_fields.keys() & Recipe.model_fields if name != "limit"}


def _check(version: VersionRef, before: Recipe, after: Recipe) -> None:
    others = [each for each in differences_of(before, after) if not each.startswith(_NOT_OURS)]
    if others:
        raise InputError(
            f"a refinement of {version} makes no other records, and {others[0]}: leave that out of --config, or make them with `synth generate`"
        )
    if essence_of(after) == essence_of(before):
        raise InputError(
            f"nothing differs from {version}: change gates, set_gates, mining or perturbation with --config, or name another --teacher"
        )


def _evaluations(version: VersionRef, domain: Domain, changes: Changes) -> tuple[EvaluationSet, ...]:
    """Those that are named; InputError where the version was kept out of some and they are not named again."""
    named = tuple(read_evaluations(changes.decontaminate))
    known = [each for gate in domain.set_gates if gate.name == CONTAMINATION for each in gate.settings.get("sets", [])]
    missing = sorted({each["name"] for each in known} - {each.name for each in named})
    if missing:
        raise InputError(
            f"{version} was kept out of {', '.join(missing)}: say where that is with --decontaminate, so that it stays out"
        )
    return named


def _facts(before: Recipe, domain: Domain) -> Facts | None:
    if not domain.perturbation.negatives:
        return None
    loaded = load_domain(before.domain)
    return load_facts(LoadedDomain(loaded.domain.model_copy(update={"perturbation": domain.perturbation}), loaded.path))


def corpus_of(version: VersionRef, recipe: Recipe, folder: Path, reporter: Reporter) -> Corpus:
    """The version's passages as the corpus of a run, in `folder`; made once."""
    if folder.exists():
        return Corpus(folder)
    reporter.stage("compare passages", version.manifest.passages)
    passages = version.file("passages.parquet")
    if not passages.is_file():
        raise StoreError(f"{version} holds no passages, so it can't be refined; make the dataset anew")
    with new_folder(folder) as hidden:
        copy_file(passages, hidden / "passages.parquet")
        copy_file(version.file("rejected_sources.parquet"), hidden / "rejected_sources.parquet")
        write_model(hidden / "sources.json", version.manifest.sources)
        _write_documents(passages, hidden / "documents.parquet")
        compare_passages(hidden, recipe.splits.near_duplicate)
        build_lexicon(Corpus(hidden).labelled_texts(), main_language(recipe)).save(hidden)
    return Corpus(folder)


_UNKNOWN = Document(id="-", text="-", source="-").model_dump() | {"text": ""}


def _write_documents(passages: Path, path: Path) -> None:
    """One row a document, without its text: records keep the licences that they have."""
    schema = arrow_schema(Document)
    ids = sorted({each for batch in read_batches(passages, ["document_id"]) for each in batch.column(0).to_pylist()})
    with ParquetSink(path, schema) as sink:
        sink.add_rows(_UNKNOWN | {"id": each, "source": each} for each in ids)
