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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from jinja2 import StrictUndefined, TemplateError, meta, nodes
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


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message, in two pieces: the first is the same object in other messages, as about the same passage."""

    role: str
    head: str
    tail: str = ""

    @property
    def content(self) -> str:
        return self.head + self.tail


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
            return [Message(role, *_compile(body)(inputs)) for role, body in self.parts]
        except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise InputError(f"prompt {self.name!r} can't be rendered: {error}") from error


class _Part:
    """A compiled part of a prompt, in two pieces where something comes after the passage.

    The first one is kept for the next items: instructions change seldom, a passage has several items.
    """

    def __init__(self, body: str) -> None:
        whole = _ENVIRONMENT.parse(body).body
        with_passage = [place for place, node in enumerate(whole, 1) if "passage" in _used([node])]
        names = (_template(whole).find(kind) for kind in (nodes.Assign, nodes.AssignBlock, nodes.Macro))
        cut = len(whole) if any(names) or not with_passage else with_passage[-1]
        self._head = _Piece(whole[:cut], str.lstrip if whole[cut:] else str.strip)
        self._tail = _Piece(whole[cut:], str.rstrip) if whole[cut:] else None
        self._kept = functools.lru_cache(maxsize=_KEPT)(self._head.render)

    def __call__(self, inputs: Mapping[str, object]) -> tuple[str, str]:
        """Both pieces, without white space at either end of the whole."""
        values = [inputs[name] for name in self._head.used]
        head = (self._kept if all(type(value) is str for value in values) else self._head.render)(*values)
        if self._tail is None:
            return head, ""
        tail = self._tail.render(*[inputs[name] for name in self._tail.used])
        return (head, tail) if head and tail else (head.rstrip(), tail.lstrip())


class _Piece:
    """Nodes of a template that are rendered together."""

    def __init__(self, body: Sequence[nodes.Node], strip: Callable[[str], str]) -> None:
        self._template = _ENVIRONMENT.from_string(_template(body))
        self._template.globals = dict(self._template.globals)  # a ChainMap, which each rendering would go through
        self.used = sorted(_used(body))
        self._strip = strip

    def render(self, *values: object) -> str:
        return self._strip(self._template.render(zip(self.used, values, strict=True)))


_KEPT = 128


def _template(body: Sequence[nodes.Node]) -> nodes.Template:
    template = nodes.Template(list(body), lineno=1)
    template.set_environment(_ENVIRONMENT)
    return template


def _used(body: Sequence[nodes.Node]) -> set[str]:
    return meta.find_undeclared_variables(_template(body))


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
