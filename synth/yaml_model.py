"""Reads a YAML file into a pydantic model; every error names file, line and field."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from synth.errors import DomainError, suggest

Model = TypeVar("Model", bound=BaseModel)


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key silently replace an earlier one; a domain file must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_PLAINLY = {
    "mapping values are not allowed here": "put a text that holds ': ' in quotes",
    "found unexpected end of stream": "a quotation mark is never closed",
}


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; DomainError names file and line."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DomainError(f"can't read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error
    try:
        value = yaml.load(source, Loader=_UniqueKeys)
    except yaml.MarkedYAMLError as error:
        ended = "end of stream" in (error.problem or "")  # what has no end is told by where it begins
        mark = (error.context_mark if ended else None) or error.problem_mark
        line = mark.line + 1 if mark else 1
        problem = _PLAINLY.get(error.problem or "", error.problem)
        raise DomainError(f"{path}, line {line}: not valid YAML: {problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DomainError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(value, dict):
        raise DomainError(f"{path}, line 1: expected `field: value` lines, found {type(value).__name__}")
    return value


def load_yaml_model(path: Path, model: type[Model], value: dict[str, Any] | None = None) -> Model:
    """Validate `value` (default: the file's own content) as `model`.

    Raises DomainError such as `finance.yaml, line 12, field mining.threshold: …`.
    """
    try:
        return model.model_validate(read_yaml(path) if value is None else value)
    except ValidationError as error:
        first = _most_telling(error)
        location = tuple(first["loc"])
        field = ".".join(map(str, location)) or "(whole file)"
        message = _explain(model, first["type"], first["msg"], location)
        raise DomainError(f"{path}, line {line_of(path, location)}, field {field}: {message}") from error


def _most_telling(error: ValidationError) -> ErrorDetails:
    """The first mistake; where a field is missing because its name is misspelt, the misspelling."""
    first, *others = error.errors()
    if first["type"] == "missing":
        for other in others:
            beside = other["type"] == "extra_forbidden" and other["loc"][:-1] == first["loc"][:-1]
            if beside and get_close_matches(str(other["loc"][-1]), [str(first["loc"][-1])]):
                return other
    return first


def _explain(model: type[BaseModel], kind: str, message: str, location: tuple[int | str, ...]) -> str:
    if kind == "missing":
        return "is missing; add it"
    if kind != "extra_forbidden":
        return message.removeprefix("Value error, ")
    owner: Any = model
    for part in location[:-1]:
        if isinstance(part, int):
            owner = next(iter(get_args(owner)), None)
            continue
        owner = getattr(owner, "model_fields", {}).get(part)
        owner = owner.annotation if owner is not None else None
    known = getattr(owner, "model_fields", {})
    return f"unknown field{suggest(str(location[-1]), known)}"


def line_of(path: Path, location: Sequence[int | str]) -> int:
    """Where a field stands in a YAML file, or the innermost field around it that does; 1 where none does."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):  # a file that was there, or never was one
        return 1
    line = 1
    for part in location:
        found = _child(node, part)
        if found is None:
            break
        node, line = found
    return line


def _child(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None
