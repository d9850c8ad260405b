"""Gates keep a record or drop it with a reason code and a score.

A *record gate* sees one record and runs in the shard. To add one, write a module here
(or in your package, with an entry point `synth.gates`) that lists its class in `__all__`:

    class Shouting:
        name = "shouting"

        class Settings(Strict):
            max_share: float = 0.5

        def __init__(self, settings: Settings) -> None:
            self.settings = settings

        def judge(self, record: Pair) -> Verdict:
            share = sum(c.isupper() for c in record.query) / len(record.query)
            return Verdict(gate=self.name, keep=share <= self.settings.max_share, reason="shouting", score=share)

A *set gate* has `judge_set(view)` instead, sees every record of the run in plan order and
must not depend on the order in which they arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import ValidationError

from schemas.recipe import GateSettings
from schemas.record import Pair, Verdict
from synth import registry
from synth.errors import DomainError, suggest

if TYPE_CHECKING:
    from synth.view import Rejections, SetView


@runtime_checkable
class RecordGate(Protocol):
    """Keeps or drops one record; pure."""

    name: str

    def judge(self, record: Pair) -> Verdict: ...


@runtime_checkable
class CleaningGate(RecordGate, Protocol):
    """A record gate that changes texts, such as masking a phone number.

    `clean` sees whole documents before anything of them is stored, and what is written
    about them before any gate judges it. `clean_passage` sees the passages of cleaned
    documents; None drops one, and the list names what was found in it.
    """

    def clean(self, text: str) -> str: ...

    def clean_passage(self, text: str) -> tuple[str | None, list[str]]: ...


@runtime_checkable
class SetGate(Protocol):
    """Keeps or drops records by looking at all of them, in plan order."""

    name: str

    def judge_set(self, view: SetView) -> Rejections: ...


CUT = tuple(f"extractive:{rule}" for rule in ("title", "span", "crop", "cloze", "keywords", "sentence"))
"""Methods whose queries are text of the document: what holds of a written query need not hold of them."""


@lru_cache(maxsize=8192)
def verdict(gate: str, reason: str = "", score: float | None = None, detail: str = "") -> Verdict:
    """A verdict that keeps where there is no reason. Equal ones are made once: that takes longer than most gates."""
    return Verdict(gate=gate, keep=not reason, reason=reason, score=score, detail=detail)


def apply_gates(gates: Sequence[RecordGate], record: Pair) -> list[Verdict]:
    """Verdicts up to and including the first that drops the record; gates that do not suit its task keep it."""
    exempt = _exempt_of(record.provenance.task)
    verdicts: list[Verdict] = []
    for gate in gates:
        if gate.name in exempt:
            verdicts.append(verdict(gate.name, detail="does not suit the task"))
            continue
        verdicts.append(gate.judge(record))
        if not verdicts[-1].keep:
            break
    return verdicts


@cache
def _exempt_of(task: str) -> frozenset[str]:
    return (
        getattr(registry.find("tasks", task), "exempt", frozenset()) if task in registry.names("tasks") else frozenset()
    )


def build_gate(chosen: GateSettings) -> Any:
    """The gate that a recipe names, with its settings validated."""
    gate = registry.find("gates", chosen.name)
    try:
        settings = gate.Settings(**chosen.settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        where = f"setting {name!r}: " if name else ""
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"there is no such setting{suggest(name, gate.Settings.model_fields)}"
        raise DomainError(f"gate {chosen.name!r}: {where}{message}") from error
    return gate(settings)


def build_record_gates(chosen: Sequence[GateSettings]) -> list[RecordGate]:
    """Record gates in the recipe's order; DomainError where one is a set gate."""
    return [_checked(choice, RecordGate, "gates", "set_gates") for choice in chosen]


def build_set_gates(chosen: Sequence[GateSettings]) -> list[SetGate]:
    """Set gates in the recipe's order; DomainError where one is a record gate."""
    return [_checked(choice, SetGate, "set_gates", "gates") for choice in chosen]


def _checked(choice: GateSettings, protocol: type, here: str, there: str) -> Any:
    gate = build_gate(choice)
    if not isinstance(gate, protocol):
        raise DomainError(f"gate {choice.name!r} stands under {here!r} but belongs under {there!r}")
    if hasattr(gate, "clean") != hasattr(gate, "clean_passage"):
        raise DomainError(f"gate {choice.name!r} must have both `clean` and `clean_passage`, or neither")
    return gate
