"""Prompts are files: Jinja with YAML front matter, rendered strictly.

    ---
    name: query-from-passage
    version: 1
    inputs: [passage, persona, …]
    ---
    ## system
    …
    ## user
    …

A missing or undeclared input is an error at load or render time, never an empty string.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from schemas.base import Strict
from synth.errors import InputError
from synth.resources import find_shipped

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
)
_FILE = re.compile(r"\A---\n(.*?)\n---\n(.*)\Z", re.DOTALL)
_ROLES = re.compile(r"^## (system|user)\n", re.MULTILINE)


class _Front(Strict):
    name: str
    version: int
    inputs: frozenset[str]


@dataclass(frozen=True)
class Message:
    """One chat message."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """A prompt file: its name, version, the inputs it declares, and its hash."""

    name: str
    version: int
    inputs: frozenset[str]
    parts: tuple[tuple[str, str], ...]
    sha256: str

    def render(self, inputs: Mapping[str, object]) -> list[Message]:
        """Chat messages; raises InputError where an input is missing or not declared."""
        if set(inputs) != self.inputs:
            wrong = ", ".join(sorted(set(inputs) ^ self.inputs))
            raise InputError(
                f"prompt {self.name!r} takes the inputs {sorted(self.inputs)}; missing or unknown: {wrong}"
            )
        try:
            return [Message(role, _compile(body)(inputs)) for role, body in self.parts]
        except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise InputError(f"prompt {self.name!r} can't be rendered: {error}") from error


class _Part:
    """A compiled part of a prompt; the instructions, which seldom change, are rendered once."""

    def __init__(self, body: str) -> None:
        self._template = _ENVIRONMENT.from_string(body)
        self._template.globals = dict(self._template.globals)  # a ChainMap, which each rendering would go through
        self._used = sorted(meta.find_undeclared_variables(_ENVIRONMENT.parse(body)))
        self._last: tuple[list[object], str] = ([_NOTHING], "")

    def __call__(self, inputs: Mapping[str, object]) -> str:
        values = [inputs[name] for name in self._used]
        before, text = self._last
        if values != before:
            text = self._template.render(inputs).strip()
            self._last = (values, text)
        return text


_NOTHING = object()
_compile = functools.cache(_Part)


@functools.cache
def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """The shipped prompt `name` (or the one in `folder`), checked against its front matter."""
    path = (folder or find_shipped("prompts")) / f"{name}.j2"
    if not path.is_file():
        raise InputError(f"there is no prompt file {path}")
    source = path.read_text(encoding="utf-8")
    split = _FILE.match(source)
    if split is None:
        raise InputError(f"{path}: a prompt begins with front matter between two lines of ---")
    before, *pieces = _ROLES.split(split.group(2))
    parts = tuple(zip(pieces[::2], pieces[1::2], strict=True))
    try:
        front = _Front.model_validate(yaml.safe_load(split.group(1)))
        used = frozenset().union(*(meta.find_undeclared_variables(_ENVIRONMENT.parse(part)) for _, part in parts))
    except (yaml.YAMLError, ValidationError, TemplateError) as error:
        raise InputError(f"{path}: {error}") from error
    if before.strip():
        raise InputError(f"{path}: text stands before the first `## system` or `## user` and would be lost")
    if used != front.inputs or not parts:
        raise InputError(f"{path}: front matter declares {sorted(front.inputs)} but the text uses {sorted(used)}")
    return Prompt(front.name, front.version, front.inputs, parts, hashlib.sha256(source.encode()).hexdigest())
