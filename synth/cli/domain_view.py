"""How `synth domains` prints a domain, and rows of it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from schemas.recipe import GateSettings
from synth import registry
from synth.cli.output import command, out
from synth.domain_notes import holds_sample
from synth.domain_summary import (
    CorpusSummary,
    DomainSummary,
    PersonaSummary,
    check_domain,
    summarise_personas,
    summarise_topics,
)
from synth.domains import LoadedDomain
from synth.dry_run import READ, DryRun
from synth.preview import Look
from synth.recipe import EXTRACTIVE
from synth.rows import ItemRow
from synth.scaffold import Place


@dataclass(frozen=True)
class Tried:
    """A domain, some rows of it, and what to know about both."""

    loaded: LoadedDomain
    run: DryRun
    notes: list[str]


_FIELD_FLAGS = ("--text-field", "--title-field", "--id-field")


def show_summary(summary: DomainSummary) -> None:
    """All that `synth domains show` says."""
    out.print(f"[bold]{escape(summary.title)}[/] ({escape(summary.name)})  {escape(summary.description)}")
    persons = summary.personas
    topics = summary.topics
    draws = "; ".join(f"{name.replace('_', ' ')}: {_shares(each)}" for name, each in summary.draws.items())
    mining = summary.mining
    for label, text in (
        ("file", summary.file),
        ("instruction", summary.instruction or "none"),
        ("documents", tell_corpus(summary.corpus)),
        ("personas", _tell_personas(persons)),
        ("topics", tell_topics(topics.model_dump() if topics else None)),
        ("tasks", _shares(summary.tasks)),
        ("draws", draws),
        ("gates", _gates(summary.gates)),
        ("set gates", _gates(summary.set_gates)),
        ("teacher", summary.teacher),
        ("negatives", f"up to {mining['negatives']} a record by {mining['strategy']}, ranked to {mining['rank_max']}"),
        ("passages", ", ".join(f"{name} {value}" for name, value in summary.chunk.items())),
        ("test split", f"{summary.splits['test']:.0%} of the documents"),
        ("records", f"{summary.limit:,} unless --limit or --documents is given"),
    ):
        out.print(f"  [cyan]{label:<12}[/]{escape(text)}")


def tell_corpus(corpus: CorpusSummary) -> str:
    """Documents, passages, words, licences and what was left out, in one line."""
    licences = ", ".join(f"{name} {count:,}" for name, count in corpus.licences.items())
    said = f"{corpus.documents:,}, of them {corpus.test_documents:,} test; {corpus.passages:,} passages, {corpus.words:,} words; licence: {licences}"
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in corpus.dropped.items())
    return f"{said}; left out: {dropped}" if dropped else said


def tell_topics(topics: Mapping[str, int] | None) -> str:
    """The size of a topic tree in words."""
    if topics is None:
        return "none"
    return f"{topics['branches']:,} branches, {topics['sections']:,} sections, {topics['leaves']:,} leaves"


def _tell_personas(personas: PersonaSummary) -> str:
    counts = "; ".join(
        f"{field}: {', '.join(f'{name} {count:,}' for name, count in getattr(personas, field).items())}"
        for field in ("style", "expertise", "licence")
    )
    return f"{personas.personas:,}; {counts}"


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())


def _gates(gates: Sequence[GateSettings]) -> str:
    return ", ".join(f"{gate.name}{_settings(gate.settings)}" for gate in gates) or "none"


def _settings(settings: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in settings.items())})" if settings else ""


def show_files(place: Place, files: Sequence[Path], base: LoadedDomain | None) -> None:
    """What `synth domains new` wrote."""
    start = f"those of {base.domain.name}" if base else "ones that fit any field"
    says = {
        place.file.name: "what the domain is, every line explained; the only file to edit",
        "personas.jsonl": f"who asks: {start}",
        "topics.yaml": "what an LLM invents documents and tasks about, where it is asked to",
        "facts.yaml": "what made negatives may change",
        "instructions.jsonl": "task instructions that are pinned",
    }
    out.print(f"Made [bold green]{escape(str(place.target))}[/]")
    for file in files:
        told = says.get(file.name, "stands in for documents; to be replaced")
        out.print(f"  {escape(os.path.relpath(file, place.target)):<26}  [dim]{escape(told)}[/]")
    out.print()


def show_tried(tried: Tried) -> None:
    """What was found, the rows, and what to know."""
    _show_found(tried)
    rows = [(look, model, row) for look in tried.run.looks for model, row in sorted(look.rows.items())]
    written = any(model != EXTRACTIVE for _, model, _ in rows)
    how = "written by --llm" if written else "cut out of the documents (--llm URL has them written)"
    out.print(f"\n[bold]{len(rows)} rows[/], {how}, kept nowhere")
    for number, (look, model, row) in enumerate(rows, 1):
        _show_row(number, look, model, row)
    later = ", ".join(gate.name for gate in tried.loaded.domain.set_gates)
    if later:
        out.print(f"[dim]Of a whole run these look at all records together: {escape(later)}.[/]")
    if tried.notes:
        out.print()
    for note in tried.notes:
        out.print(f"[yellow]Note:[/] {escape(note)}.".replace("?.", "?"))


def _show_found(tried: Tried) -> None:
    loaded = tried.loaded
    people, topics = check_domain(loaded)
    size = summarise_topics(topics)
    out.print(f"[bold]{escape(str(loaded.path))}[/] is valid")
    more = f" (the first {READ} read)" if tried.run.more else ""
    out.print(f"  [cyan]{'documents':<12}[/]{escape(tell_corpus(tried.run.corpus))}{more}")
    out.print(f"  [cyan]{'personas':<12}[/]{escape(_tell_personas(summarise_personas(people)))}")
    out.print(f"  [cyan]{'topics':<12}[/]{escape(tell_topics(size.model_dump() if size else None))}")


def _show_row(number: int, look: Look, model: str, row: ItemRow) -> None:
    colour = {"accepted": "green", "rejected": "yellow", "failed": "red"}[row.status]
    kept = "kept" if row.status == "accepted" else f"{row.status}: {row.reason}"
    passage = look.call.input.passage
    out.print(f"[bold]{number}[/]  [{colour}]{escape(kept)}[/]  [dim]{escape(row.model or row.method or model)}[/]")
    for label, text in (
        ("query", _shorten(row.query or row.detail or "none")),
        ("positive" if row.positive else "passage", f"{_shorten(row.positive or passage.text)} ({passage.id})"),
        ("gates", tell_verdicts(row)),
    ):
        out.print(f"   [cyan]{label:<9}[/]{escape(text)}")


def tell_verdicts(row: ItemRow) -> str:
    """Which gates kept a row, and which did not."""
    kept = [verdict.gate for verdict in row.verdicts if verdict.keep]
    dropped = [verdict for verdict in row.verdicts if not verdict.keep]
    said = [f"kept by {', '.join(kept)}"] if kept else []
    for verdict in dropped:
        why = verdict.reason if verdict.score is None else f"{verdict.reason}, {verdict.score:.2f}"
        said.append(f"dropped by {verdict.gate} ({why}{': ' + verdict.detail if verdict.detail else ''})")
    return "; ".join(said) or "none was asked"


def show_next(loaded: LoadedDomain, fields: Sequence[str | None]) -> None:
    """The commands to go on with."""
    synth, name = command("synth"), loaded.domain.name
    is_known = name in registry.names("domains") and registry.domain_path(name) == loaded.path
    file = name if is_known else shlex.quote(str(loaded.path))
    flags = "".join(f" {flag} {shlex.quote(field)}" for flag, field in zip(_FIELD_FLAGS, fields, strict=True) if field)
    limit = f"{loaded.domain.limit:,}"
    people = "people.jsonl" if is_known else shlex.quote(str(loaded.path.parent / "people.jsonl"))
    out.print("\n[bold]Next[/]")
    has_sample = holds_sample(loaded)
    without = [
        (
            f"{synth} generate --domain {file} --documents topics --llm URL",
            "without documents of your own: an LLM writes them about the topics",
        )
    ]
    for line, meaning in (
        (f"{synth} domains check {file}{flags}", "after an edit: validates, and makes the rows again"),
        (
            f"{synth} generate --domain {file}{flags}",
            f"the real run{', once your documents are there' if has_sample else ''}: publishes up to {limit} records",
        ),
        (
            f"{synth} personas derive --domain {file}{flags} --llm URL -o {people}",
            "people who would search these documents",
        ),
        *(without if has_sample else []),
    ):
        out.print(f"  {escape(line)}  [dim]# {meaning}[/]")


def _shorten(text: str, limit: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
