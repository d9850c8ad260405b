"""The dataset card: a README.md whose every number comes from the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.manifest import Manifest
from synth.export import ExportResult, default_format
from synth.resources import find_shipped

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
)

# fmt: off
_HUB_LICENCES = frozenset({
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "c-uda",
    "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
    "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0",
    "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "gfdl", "gpl", "gpl-2.0", "gpl-3.0",
    "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by", "openrail",
    "osl-3.0", "pddl", "postgresql", "unlicense", "wtfpl", "zlib",
})
# fmt: on
"""Licence identifiers that the Hub knows; any other text fails its validation of a card."""

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


def render_card(manifest: Manifest, repo_id: str | None, configs: Sequence[ExportResult]) -> str:
    """README.md with YAML front matter, for the files of `configs`; without `repo_id` it is for a local folder."""
    template = _ENVIRONMENT.from_string(find_shipped("data", "card.md.j2").read_text(encoding="utf-8"))
    front_matter = yaml.safe_dump(_front_matter(manifest, configs), sort_keys=False, allow_unicode=True)
    return template.render(
        front_matter=front_matter.rstrip(),
        manifest=manifest,
        mining=manifest.recipe.mining,
        configs=configs,
        load=load_line(manifest, repo_id),
        methods=_shares(manifest.methods),
        extractive=sum(count for method, count in manifest.methods.items() if method.startswith("extractive:")),
        records=_records(manifest),
        made=_made(manifest),
        mining_rule=_mining_rule(manifest),
        licences=[(_cell(licence), count) for licence, count in manifest.licences.items()],
        prompts=_prompts(manifest.recipe.instruction),
        instruction_by_persona=manifest.recipe.persona.scope in ("instruction", "both"),
        percent=_percent,
        cell=_cell,
    )


def load_line(manifest: Manifest, repo_id: str | None) -> str:
    """The line of Python that loads the version, pinned to its tag."""
    split = "train" if manifest.splits.get("train") else "test"
    where = json.dumps(repo_id or "path/to/this/folder")
    pinned = f', revision="v{manifest.version}"' if repo_id else ""
    return f'load_dataset({where}, "{default_format(manifest)}", split="{split}"{pinned})'


def _front_matter(manifest: Manifest, configs: Sequence[ExportResult]) -> dict[str, object]:
    return {
        "pretty_name": f"{manifest.name} v{manifest.version}",
        "license": _licence(manifest.licences),
        "language": list(manifest.language),
        "task_categories": ["sentence-similarity", "text-retrieval", "feature-extraction"],
        "size_categories": [_size(_records(manifest))],
        "annotations_creators": ["machine-generated"],
        "tags": ["sentence-transformers", "synthetic", "embeddings", "synth"],
        "configs": [_config(result, default_format(manifest)) for result in configs],
    }


def _config(result: ExportResult, default: str) -> dict[str, object]:
    files = zip(result.rows, result.files, strict=True)
    entry: dict[str, object] = {
        "config_name": result.format,
        "data_files": [{"split": split, "path": f"{file.parent.name}/{file.name}"} for split, file in files],
    }
    return entry | ({"default": True} if result.format == default else {})


def _licence(licences: Mapping[str, int]) -> str:
    """The Hub's identifier where every record has the same licence; `other` for anything less certain."""
    if len(licences) != 1:
        return "other"
    identifier = next(iter(licences)).lower().replace(" ", "-")
    return identifier if identifier in _HUB_LICENCES else "other"


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
