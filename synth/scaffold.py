"""A new domain: a folder with its file, starter personas and topics, written once and never over anything.

FOLDER/NAME/NAME.yaml           the domain; every line says what it is
FOLDER/NAME/personas.jsonl      who asks
FOLDER/NAME/topics.yaml         what an LLM may invent documents about
FOLDER/NAME/facts.yaml, instructions.jsonl      where the domain it starts from has them
FOLDER/NAME/documents/          a sample that is to be replaced, where no documents were named
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from schemas.recipe import Domain
from synth import registry
from synth.documents import list_sources
from synth.domain_notes import SAMPLE
from synth.domain_summary import check_domain
from synth.domains import LoadedDomain
from synth.dry_run import First
from synth.errors import DocumentError, InputError, StoreError, suggest_file
from synth.fetch import is_hub
from synth.files import new_folder
from synth.resources import find_shipped
from synth.store import check_name
from synth.yaml_model import read_yaml

PER_PASSAGE, MOST, LEAST = 2, 1_000, 10
"""How many records a new domain asks for: some a passage, within bounds; the next run may ask for more."""
_FILES = {
    "personas": "personas.jsonl",
    "topics": "topics.yaml",
    "facts": "facts.yaml",
    "instructions": "instructions.jsonl",
}
"""Fields that name files, and how those of a new domain are called."""
_ALWAYS = ("personas", "topics")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_WIDTH = 40
"""Of a line that a comment stands behind; above a longer one."""


@dataclass(frozen=True)
class Place:
    """Where a new domain goes, and where its documents are; `documents` is None for a sample."""

    name: str
    folder: Path
    documents: Path | None = None

    @property
    def target(self) -> Path:
        return self.folder / self.name

    @property
    def file(self) -> Path:
        return self.target / f"{self.name}.yaml"


def choose_place(name: str, folder: Path, documents: Path | None = None) -> Place:
    """Where `name` may be written; nothing is. InputError says what stands in the way and what to type instead."""
    _check_name(name)
    place = Place(name, folder.expanduser(), documents.expanduser() if documents else None)
    if not place.folder.is_dir():
        raise InputError(
            f"there is no folder {place.folder}{suggest_file(place.folder)}; make it, or give another --folder"
        )
    if os.path.lexists(place.target):
        again = f"; to try it: synth domains check {place.file}" if place.file.is_file() else ""
        raise InputError(
            f"{place.target} is there already, and nothing is written over: choose another name, or another --folder{again}"
        )
    if not os.access(place.folder, os.W_OK | os.X_OK):
        raise InputError(f"the folder {place.folder} can't be written: choose another with --folder")
    if place.documents is not None:
        _check_documents(place.documents, place)
    return place


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        better = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
        way = f"; did you mean {better!r}?" if better else ", such as 'my-domain'"
        raise InputError(f"{name!r} can't name a domain: use lower-case letters, digits and '-'{way}")
    if name in registry.names("domains"):
        raise InputError(
            f"there is a domain called {name!r} already: choose another name, such as 'my-{name}', and start from it with --from {name}"
        )
    try:
        check_name(name)
    except StoreError as error:
        raise InputError(f"{name!r} can't name a domain: the catalogue uses that name; choose another") from error


def _check_documents(documents: Path, place: Place) -> None:
    """DocumentError where they can't be used; InputError where they would hold the new folder itself."""
    if is_hub(documents):
        raise InputError(
            f"the documents of a domain lie on this machine: make the domain without --documents, then `synth generate --domain {place.file} --documents hf://…`"
        )
    list_sources([documents])
    if place.target.resolve().is_relative_to(documents.resolve()):
        raise InputError(
            f"the new folder {place.target} would lie among the documents in {documents}: put these into a folder of their own, or give another --folder"
        )


def begin_with(base: LoadedDomain | None) -> Domain:
    """The settings that a new domain starts from: another domain's, or the defaults. DomainError where those are wrong."""
    if base is not None:
        check_domain(base)
        return base.domain
    return Domain(name="none", title="", description="", corpus=".", personas=".")


def design(place: Place, begun: Domain, first: First) -> Domain:
    """The new domain, as far as its documents tell. Raises DocumentError where these make no passage."""
    language = first.language
    languages = begun.plan.language if not language or language in begun.plan.language else {language: 1.0}
    passages = first.count_passages(begun.chunk, next(iter(languages)))
    if not passages:
        raise DocumentError(f"no passage can be made of {place.documents}: its files hold no text")
    title = place.name.replace("-", " ").capitalize()
    is_sample = place.documents is None
    return begun.model_copy(
        update={
            "name": place.name,
            "title": title,
            "description": f"{title}.",
            "instruction": begun.instruction
            or f"Given a question about {place.name.replace('-', ' ')}, retrieve the passage that answers it",
            "corpus": "documents" if place.documents is None else _seen_from(place, place.documents),
            "corpus_licence": "",
            **{field: file for field, file in _FILES.items() if field in _ALWAYS or getattr(begun, field)},
            "limit": begun.limit if is_sample else max(LEAST, min(MOST, PER_PASSAGE * passages)),
            "plan": begun.plan.model_copy(update={"language": languages}),
        }
    )


def _seen_from(place: Place, documents: Path) -> str:
    """The documents' path for a domain file: relative where they lie below the folder that the new one goes to."""
    path, folder = os.path.abspath(documents), os.path.abspath(place.folder)
    return os.path.join("..", os.path.relpath(path, folder)) if Path(path).is_relative_to(folder) else path


def sample_of(place: Place) -> Path:
    """Where the documents are before anything is written: named, or what ships to stand in for them."""
    return place.documents or find_shipped("data", "scaffold", "documents")


def write(place: Place, domain: Domain, base: LoadedDomain | None) -> list[Path]:
    """Make the folder, all of it or nothing; returns its files. Raises InputError where it can't be written."""
    shipped = find_shipped("data", "scaffold")
    try:
        with new_folder(place.target) as hidden:
            hidden.mkdir()
            (hidden / place.file.name).write_text(render(domain), encoding="utf-8")
            for field, name in _FILES.items():
                if getattr(domain, field):
                    has_own = base is not None and getattr(base.domain, field)
                    shutil.copyfile(getattr(base, field) if has_own else shipped / name, hidden / name)
            if place.documents is None:
                (hidden / "documents").mkdir()
                shutil.copyfile(shipped / "documents" / SAMPLE, hidden / "documents" / SAMPLE)
    except OSError as error:
        raise InputError(
            f"{place.target} can't be written ({error.strerror or error}): choose another --folder"
        ) from error
    return sorted(path for path in place.target.rglob("*") if path.is_file())


def discard(place: Place) -> None:
    """Remove what `write` just made, so that the same command can be given again."""
    shutil.rmtree(place.target, ignore_errors=True)


def render(domain: Domain) -> str:
    """A domain as a commented YAML file that loads as the same domain."""
    said = _told_to(read_yaml(find_shipped("data", "scaffold", "comments.yaml")), domain.name)
    lines = [
        f"# The domain {domain.name}. Try it after every change: synth domains check {domain.name}/{domain.name}.yaml",
        "# All fields, their defaults and bounds: docs/domains.md",
    ]
    told: set[str] = set()
    for heading, comments in said["sections"].items():
        fields = list(dict.fromkeys(path.partition(".")[0] for path in comments))
        told.update(fields)
        lines += ["", f"# --- {heading} ---", *_fields(domain, fields, comments | said["other"], said["gates"])]
    rest = [name for name in Domain.model_fields if name not in told and not _is_default(domain, name)]
    if rest:
        lines += ["", "# --- And ---", *_fields(domain, rest, said["other"], said["gates"])]
    return "\n".join(lines) + "\n"


def _told_to(said: Any, name: str) -> Any:
    """The comments with the commands as they are typed for this domain."""
    if isinstance(said, dict):
        return {key: _told_to(each, name) for key, each in said.items()}
    return said.replace("NAME", name)


def _fields(domain: Domain, names: Iterable[str], comments: dict[str, str], of_gates: dict[str, str]) -> Iterator[str]:
    for name in names:
        value = getattr(domain, name)
        if name in ("gates", "set_gates"):
            yield _commented(f"{name}:" if value else f"{name}: []", comments[name])
            for gate in value:
                yield _commented(f"  - name: {gate.name}", of_gates.get(gate.name) or _first_sentence(gate.name))
                if gate.settings:
                    yield f"    settings: {_flow(gate.settings)}"
        elif isinstance(value, BaseModel):
            yield f"{name}:"
            inner = [each for each in type(value).model_fields if f"{name}.{each}" in comments]
            more = [each for each in type(value).model_fields if each not in inner and not _is_default(value, each)]
            for each in inner + more or type(value).model_fields:
                dumped = value.model_dump(mode="json")[each]
                yield _commented(f"  {each}: {_flow(dumped)}", comments.get(f"{name}.{each}", ""))
        else:
            yield _commented(f"{name}: {_flow(domain.model_dump(mode='json')[name])}", comments.get(name, ""))


def _first_sentence(gate: str) -> str:
    """What a gate that no comment is known of says about itself."""
    said = (inspect.getdoc(registry.find("gates", gate)) or "").split("\n\n")[0]
    return " ".join(said.split()).partition(". ")[0].rstrip(".")


def _is_default(model: BaseModel, name: str) -> bool:
    field = type(model).model_fields[name]
    return bool(getattr(model, name) == field.get_default(call_default_factory=True))


def _commented(line: str, comment: str) -> str:
    if not comment:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return f"{line.ljust(_WIDTH)}  # {comment}" if len(line) <= _WIDTH else f"{indent}# {comment}\n{line}"


def _flow(value: Any) -> str:
    """A value on one line of YAML, whole numbers without a point."""
    text: str = yaml.safe_dump(
        _plain(value), default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.removesuffix("...\n").strip()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
