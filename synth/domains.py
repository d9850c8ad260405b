"""Domain files and personas: found by name or path, validated at load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.base import sha256_of
from schemas.facts import Facts
from schemas.persona import Persona
from schemas.recipe import Domain
from schemas.topics import Topics
from synth import registry
from synth.errors import DomainError, InputError, suggest, suggest_file
from synth.gates import build_record_gates, build_set_gates
from synth.yaml_model import line_of, load_yaml_model

LENGTHS = ("short", "medium", "long")
"""Of a query, as prompts put them into words."""


@dataclass(frozen=True)
class LoadedDomain:
    """A domain and the folder that its relative paths start from."""

    domain: Domain
    path: Path

    @property
    def corpus(self) -> Path:
        """Folder or file of the sample corpus; DomainError where it is missing."""
        return self._resolve("corpus", self.domain.corpus)

    @property
    def personas(self) -> Path:
        """Persona file; DomainError where it is missing."""
        return self._resolve("personas", self.domain.personas)

    @property
    def facts(self) -> Path:
        """Facts file; DomainError where it is missing."""
        return self._resolve("facts", self.domain.facts)

    @property
    def topics(self) -> Path:
        """Topic tree; DomainError where it is missing."""
        return self._resolve("topics", self.domain.topics)

    @property
    def instructions(self) -> Path:
        """List of task instructions; DomainError where it is missing."""
        return self._resolve("instructions", self.domain.instructions)

    def _resolve(self, field: str, relative: str) -> Path:
        path = (self.path.parent / relative).resolve()
        if not path.exists():
            line = line_of(self.path, [field])
            raise DomainError(f"{self.path}, line {line}, field {field}: there is no {path}{suggest_file(path)}")
        return path


def load_domain(name_or_path: str) -> LoadedDomain:
    """A known domain by name, or any domain file by its path."""
    path = Path(name_or_path).expanduser()
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            raise DomainError(
                f"there is no domain file {path}; `synth domains` lists the domains that are known by name"
            )
    else:
        try:
            path = registry.domain_path(name_or_path)
        except InputError as error:
            own = path / f"{path.name}.yaml"
            way = f"; give the path of its file: {own}" if own.is_file() else " (or give the path of a domain file)"
            raise DomainError(f"{error}{way}") from error
    return LoadedDomain(load_yaml_model(path, Domain), path)


def check_parts(loaded: LoadedDomain) -> None:
    """Every task, gate and generator that the file names is there, and its settings fit.

    Raises DomainError such as `tea.yaml, line 30, field gates.2: there is no gate called …`.
    """
    domain = loaded.domain
    for name in domain.plan.tasks:
        with _standing_at(loaded.path, "plan", "tasks", name):
            registry.find("tasks", name)
    for name in domain.plan.length:
        with _standing_at(loaded.path, "plan", "length", name):
            if name not in LENGTHS:
                raise InputError(f"prompts know no such length{suggest(name, LENGTHS)}")
    with _standing_at(loaded.path, "generator"):
        registry.find("generators", domain.generator)
    for location, teacher in [
        (("teacher",), domain.teacher),
        *((("fusion", "teachers", place), teacher) for place, teacher in enumerate(domain.fusion.teachers)),
    ]:
        with _standing_at(loaded.path, *location):
            registry.refuse_near_miss("teachers", teacher.partition(",")[0])
    for field, build in (("gates", build_record_gates), ("set_gates", build_set_gates)):
        for place, gate in enumerate(getattr(domain, field)):
            with _standing_at(loaded.path, field, place):
                build([gate])


@contextmanager
def _standing_at(path: Path, *location: str | int) -> Iterator[None]:
    """Errors within say where in the file the mistake stands."""
    try:
        yield
    except InputError as error:
        field = ".".join(map(str, location))
        raise DomainError(f"{path}, line {line_of(path, location)}, field {field}: {error}") from error


def load_personas(path: Path) -> list[Persona]:
    """Personas of a JSON Lines file, in file order; ids are unique.

    Raises DomainError naming file, line and field.
    """
    personas: list[Persona] = []
    seen: set[str] = set()
    for line, persona in _read_personas(path):
        if persona.id in seen:
            raise DomainError(f"{path}, line {line}, field id: {persona.id!r} stands twice; ids must be unique")
        seen.add(persona.id)
        personas.append(persona)
    if not personas:
        raise DomainError(f"{path} holds no personas; give it one JSON object a line with at least `id` and `text`")
    return personas


def load_facts(loaded: LoadedDomain) -> Facts | None:
    """What made negatives may change; None where the domain asks for none.

    Raises DomainError naming file and field, also for a kind that the file does not know.
    """
    wanted = loaded.domain.perturbation
    if not wanted.negatives:
        return None
    if not loaded.domain.facts:
        raise DomainError(
            f"{loaded.path}, field perturbation.negatives: {wanted.negatives} can't be made without a facts file; add `facts: FILE` (docs/domains.md), or set it to 0"
        )
    facts = load_yaml_model(loaded.facts, Facts)
    for kind in wanted.kinds:
        if kind not in facts.kinds:
            raise DomainError(
                f"{loaded.path}, field perturbation.kinds: {loaded.facts.name} knows no kind {kind!r}{suggest(kind, facts.kinds)}"
            )
    return facts


def load_topics(loaded: LoadedDomain) -> Topics | None:
    """The domain's topic tree; None where it names none. Raises DomainError naming file and field."""
    return load_yaml_model(loaded.topics, Topics) if loaded.domain.topics else None


def hash_personas(personas: list[Persona]) -> str:
    """What the recipe remembers of the personas; the order of the file does not matter."""
    return sha256_of(sorted(map(_hashable, personas), key=lambda p: str(p["id"])))


def _hashable(persona: Persona) -> dict[str, Any]:
    """Its fields; those that only derived personas have are left out where they are empty."""
    dumped = persona.model_dump(mode="json")
    return {name: value for name, value in dumped.items() if value or name not in ("relation", "model")}


def _read_personas(path: Path) -> Iterator[tuple[int, Persona]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DomainError(
            f"can't read personas from {path}: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, Persona.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "(whole line)"
            message = first["msg"]
            if first["type"] == "extra_forbidden":
                message = f"unknown field{suggest(field, Persona.model_fields)}"
            raise DomainError(f"{path}, line {number}, field {field}: {message}") from error
