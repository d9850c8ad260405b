"""The dataset card: a README.md whose every number comes from the manifest or from the version's files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from schemas.manifest import Manifest
from schemas.recipe import GateSettings
from schemas.record import TEXT_PAIR
from synth import registry
from synth.errors import InputError
from synth.export import ExportResult, default_format
from synth.licences import UNKNOWN, Settled, settle
from synth.model_terms import terms_of
from synth.prompts import load_prompt
from synth.resources import find_shipped
from synth.survey import Survey

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
)

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)

_BOUNDS = {
    "max_score": "it scores below {:g}",
    "min_score": "it scores at least {:g}",
    "absolute_margin": "it scores more than {:g} below the positive",
    "relative_margin": "its score is below that of the positive by more than {:.0%} of it",
    "max_similarity": "it scores at most {:g} against a positive",
    "max_false_negative_rate": "its probability of being an unlabelled positive is at most {:.1%}",
}

_MASKED = (
    " The others may stand in the same batch, where a loss takes them for negatives unless it is told not to:"
    " `in_batch_mask` of the config `full` names them (`synth datasets export --with mask`), and `synth mine` never takes one."
)
_PAIRED = {
    "": "Pairs are those of the source.",
    "conversations": "The query is what a user said in a conversation, the positive what the assistant replied."
    + _MASKED,
    "citations": "The query is the title of an item, the positive an item that it cites." + _MASKED,
    "categories": "A pair is two texts of one category, chosen by hash, so that all take their turn." + _MASKED,
    "duplicates": "A pair is two reports of the same thing, chosen by hash, so that all take their turn." + _MASKED,
    "taxonomy": "The query is an item, the positive its parent in the taxonomy." + _MASKED,
}
"""How records of an import came to be, by its shape."""

_EXAMPLE_CHARS = 280
_SETTING_CHARS = 120
_BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_BASE_MODEL_OF_MANY_LANGUAGES = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"


@dataclass(frozen=True)
class Place:
    """Where the card stands: a repository and the tag to load; both empty for a local folder."""

    repo_id: str = ""
    tag: str = ""


def render_card(
    manifest: Manifest,
    place: Place,
    configs: Sequence[ExportResult],
    survey: Survey,
    licences: Mapping[str, int] | None = None,
) -> str:
    """README.md with YAML front matter, for the files of `configs`.

    `licences` counts records; without it they are the manifest's.
    """
    licences = manifest.licences if licences is None else licences
    settled = settle(licences)
    template = _ENVIRONMENT.from_string(find_shipped("data", "card.md.j2").read_text(encoding="utf-8"))
    front_matter = yaml.safe_dump(
        _front_matter(manifest, configs, settled, survey), sort_keys=False, allow_unicode=True
    )
    return template.render(
        front_matter=front_matter.rstrip(),
        configs=configs,
        licences=[(_cell(licence), count) for licence, count in licences.items()],
        settled=settled,
        unstated=licences.get(UNKNOWN, 0),
        imported=manifest.is_imported,
        **_source(manifest),
        given=_given(manifest.licences, licences),
        percent=_percent,
        cell=_cell,
        **_usage(manifest, place, survey),
        **_making(manifest, survey),
    )


def _usage(manifest: Manifest, place: Place, survey: Survey) -> dict[str, object]:
    """How it is loaded and trained on."""
    by_persona = manifest.recipe.persona.scope in ("instruction", "both")
    several = survey.several_instructions and not by_persona
    return {
        "place": place,
        "load": load_line(manifest, place),
        "trains": manifest.splits.get("train", 0) > 0,
        "train_call": _load_call(manifest, place, "train"),
        "base_model": _BASE_MODEL if list(manifest.language) == ["en"] else _BASE_MODEL_OF_MANY_LANGUAGES,
        "prompts": "" if by_persona or several else _prompts(manifest.recipe.instruction),
        "several_instructions": several,
        "instruction_by_persona": by_persona,
    }


def _making(manifest: Manifest, survey: Survey) -> dict[str, object]:
    """How it was made."""
    return {
        "manifest": manifest,
        "mining": manifest.recipe.mining,
        "methods": _shares(manifest.methods),
        "extractive": sum(count for method, count in manifest.methods.items() if method.startswith("extractive:")),
        "written": sum(count for method, count in manifest.methods.items() if _is_written_query(method)),
        "text_pairs": sum(count for method, count in manifest.methods.items() if method.endswith(TEXT_PAIR)),
        "invented": survey.passage_writers.total(),
        "records": _records(manifest),
        "made": _made(manifest),
        "mining_rule": _mining_rule(manifest),
        "survey": survey,
        "examples": [[_excerpt(text) for text in example] for example in survey.examples],
        "model_terms": [(_cell(name), _cell(terms_of(name))) for name in survey.models],
        "prompt_files": _prompt_files(manifest),
        "gates": list(_gates(manifest, survey)),
        "masked": any(gate.name == "sensitive" for gate in manifest.recipe.gates),
    }


def load_line(manifest: Manifest, place: Place) -> str:
    """The line of Python that loads the version, pinned to its tag."""
    return _load_call(manifest, place, "train" if manifest.splits.get("train") else "test")


def _load_call(manifest: Manifest, place: Place, split: str) -> str:
    where = json.dumps(place.repo_id or "path/to/this/folder")
    pinned = f", revision={json.dumps(place.tag)}" if place.repo_id and place.tag else ""
    return f'load_dataset({where}, "{default_format(manifest)}", split="{split}"{pinned})'


def _front_matter(
    manifest: Manifest, configs: Sequence[ExportResult], settled: Settled, survey: Survey
) -> dict[str, object]:
    languages = list(manifest.language)
    return {
        "pretty_name": f"{manifest.name} v{manifest.version}",
        **_licence_fields(settled),
        "language": languages,
        "multilinguality": ["monolingual" if len(languages) == 1 else "multilingual"],
        "task_categories": ["sentence-similarity", "text-retrieval", "feature-extraction"],
        "size_categories": [_size(_records(manifest))],
        **_sources(manifest),
        "annotations_creators": ["found" if manifest.is_imported else "machine-generated"],
        "language_creators": ["machine-generated"] if _is_written(manifest) or survey.passage_writers else ["found"],
        "tags": ["sentence-transformers", *([] if manifest.is_imported else ["synthetic"]), "embeddings", "synth"],
        "configs": [_config(result, default_format(manifest)) for result in configs],
    }


def _is_written_query(method: str) -> bool:
    return method.startswith("llm") and not method.endswith(TEXT_PAIR)


def _is_written(manifest: Manifest) -> bool:
    return any(method.startswith("llm") for method in manifest.methods)


def _source(manifest: Manifest) -> dict[str, str]:
    """How an import was read, and what pairs it has."""
    settings = manifest.origin.settings if manifest.origin else {}
    shapes = [method.partition(":")[2] for method in manifest.methods]
    return {
        "settings": ", ".join(f"{name} {value}" for name, value in settings.items()),
        "paired": next((_PAIRED[shape] for shape in shapes if shape in _PAIRED), _PAIRED[""]),
    }


def _sources(manifest: Manifest) -> dict[str, list[str]]:
    """`source_datasets`, for what is not new; left out where the source is a file that nobody knows by name."""
    if not manifest.is_imported:
        return {"source_datasets": ["original"]}
    source = manifest.origin.source if manifest.origin else ""
    found = re.match(r"hf://([\w.-]+/[\w.-]+)", source)
    return {"source_datasets": [f"extended|{found[1]}"]} if found else {}


def _licence_fields(settled: Settled) -> dict[str, str]:
    """`license`, and for `other` its name, as the Hub asks for."""
    if settled.identifier != "other":
        return {"license": settled.identifier}
    name = "several-licences" if settled.clashing else re.sub(r"[^a-z0-9.]+", "-", settled.licence.name).strip("-.")
    return {"license": "other", "license_name": name or "own-terms"}


def _config(result: ExportResult, default: str) -> dict[str, object]:
    entry: dict[str, object] = {"config_name": result.format, "data_files": result.data_files()}
    return entry | ({"default": True} if result.format == default else {})


def _gates(manifest: Manifest, survey: Survey) -> Iterator[tuple[str, str, str, int]]:
    """Name, kind, settings in words and what it dropped, in the recipe's order."""
    for kind, gates in (("record", manifest.recipe.gates), ("set", manifest.recipe.set_gates)):
        for gate in gates:
            yield _cell(gate.name), kind, _cell(_settings(gate)) or "–", survey.dropped.get(gate.name, 0)


def _settings(gate: GateSettings) -> str:
    """As the recipe has them, with the defaults of what it leaves out; only those where the gate is not installed here."""
    settings: dict[str, Any] = gate.settings
    with suppress(InputError, ValidationError):
        settings = registry.find("gates", gate.name).Settings(**gate.settings).model_dump(mode="json")
    told = {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items() if value is not None}
    return ", ".join(f"{name} {text if len(text) <= _SETTING_CHARS else '…'}" for name, text in told.items())


def _prompt_files(manifest: Manifest) -> list[tuple[str, str, str]]:
    """Name, version (`–` where the file is another one by now) and the hash's beginning, of all that an LLM was asked."""
    if not _is_written(manifest):
        return []
    shipped = [load_prompt(file.stem) for file in sorted(find_shipped("prompts").glob("*.j2"))]
    versions = {prompt.sha256: str(prompt.version) for prompt in shipped}
    asked = sorted({*manifest.recipe.prompts.items(), *manifest.recipe.steps.items()})
    return [(_cell(name), versions.get(sha256, "–"), sha256[:12]) for name, sha256 in asked]


def _given(stated: Mapping[str, int], licences: Mapping[str, int]) -> dict[str, int]:
    """Records by the licence that was given for them at a push."""
    more = {name: count - stated.get(name, 0) for name, count in licences.items() if name != UNKNOWN}
    return {name: count for name, count in more.items() if count > 0}


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "1B<n<10B")


def _records(manifest: Manifest) -> int:
    return sum(manifest.splits.values())


def _shares(counts: Mapping[str, int]) -> list[tuple[str, int, str]]:
    total = sum(counts.values())
    return [(_cell(name), count, _percent(count / total)) for name, count in counts.items()]


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _made(manifest: Manifest) -> list[tuple[str, int]]:
    """Negatives that no corpus holds, by how they were made."""
    return [(_cell(method), count) for method, count in manifest.negatives.items() if method != "mined"]


def _mining_rule(manifest: Manifest) -> str:
    chosen = {} if manifest.suspicion is None else {"max_false_negative_rate": manifest.suspicion.bound}
    given = manifest.recipe.mining.bounds
    bounds = [_BOUNDS[name].format(value) for name, value in (given | chosen).items()]
    return " and ".join(bounds) or "whatever its score (false negatives are likely)"


def _prompts(instruction: str) -> str:
    """The `prompts=` value for a trainer, empty where the version has no instruction."""
    return json.dumps({"anchor": f"Instruct: {instruction}\nQuery: "}, ensure_ascii=False) if instruction else ""


def _cell(text: str) -> str:
    """Text that stays inside its cell of a Markdown table."""
    return " ".join(text.split()).replace("|", r"\|")


def _excerpt(text: str) -> str:
    """The beginning of a text in a cell, with nothing in it that Markdown or HTML would read."""
    flat = " ".join(text.split())
    cut = flat if len(flat) <= _EXAMPLE_CHARS else flat[:_EXAMPLE_CHARS].rsplit(" ", 1)[0] + " …"
    return re.sub(r"([\\`*_{}\[\]<>#|~$])", r"\\\1", cut).replace(r"\<", "&lt;").replace(r"\>", "&gt;")
