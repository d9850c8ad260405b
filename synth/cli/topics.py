"""`synth topics tree | documents | instructions`: from nothing but a domain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.generate import (
    ConfigOption,
    DomainOption,
    LanguageOption,
    LlmOption,
    PersonasOption,
    SeedOption,
    TimeoutOption,
)
from synth.cli.output import JsonOption, StoreOption, command, out, show_json
from synth.errors import InputError

if TYPE_CHECKING:
    from synth.asked import AskedCount
    from synth.llm.settings import LlmSettings
    from synth.recipe import Choices

app = typer.Typer(
    name="topics",
    help="Where there are no documents: have an LLM write a topic tree, documents, task instructions.",
    no_args_is_help=True,
)

OutOption = Annotated[Path, typer.Option("--out", "-o", help="A new file.")]


@app.command("tree")
def tree(  # noqa: PLR0913 - one parameter a flag
    domain: DomainOption,
    llm: LlmOption = None,
    branches: Annotated[int, typer.Option("--branches", min=2, max=16, help="Asked for.")] = 10,
    sections: Annotated[int, typer.Option("--sections", min=1, max=16, help="Asked for in each branch.")] = 6,
    leaves: Annotated[int, typer.Option("--leaves", min=1, max=16, help="Asked for in each section.")] = 5,
    language: LanguageOption = None,
    seed: SeedOption = None,
    config: ConfigOption = None,
    request_timeout: TimeoutOption = 600.0,
    file: OutOption = Path("topics.yaml"),
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw up what a domain is about, from its name and description: branches, sections, topics."""
    from synth.asked import recipe_of_requests
    from synth.cli.progress import choose_reporter
    from synth.domains import load_domain
    from synth.recipe import override
    from synth.store import choose_store
    from synth.topics.requests import TopicsUnder
    from synth.topics.tree import Shape, derive_tree, save_tree

    _check_new(file)
    choices = _choices(domain, seed, config, language, None)
    choices, settings = _reached(choices, llm, request_timeout)
    loaded = override(load_domain(domain), choices).domain
    recipe = recipe_of_requests(loaded, choices.models, [TopicsUnder.prompt], "a topic tree is drawn up by an LLM")
    shape = Shape(branches=branches, sections=sections, leaves=leaves)
    with choose_reporter() as reporter:
        found = derive_tree(recipe, (loaded.name, loaded.description), shape, choose_store(store), settings, reporter)
    save_tree(file, found)
    topics = list(found.topics)
    _show(
        file,
        "topics",
        len(topics),
        found.count,
        [topic.path for topic in topics[:3]],
        f"Read and edit them, name the file in the domain (topics: {file}), then: {command('synth')} topics documents …",
        as_json=as_json,
    )


@app.command("documents")
def documents(  # noqa: PLR0913 - one parameter a flag
    domain: DomainOption,
    llm: LlmOption = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="Documents to keep. Default: the domain file's number.")
    ] = None,
    language: LanguageOption = None,
    personas: PersonasOption = None,
    seed: SeedOption = None,
    config: ConfigOption = None,
    request_timeout: TimeoutOption = 600.0,
    file: OutOption = Path("documents.jsonl"),
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have documents written about a domain's topics, in many kinds, lengths and languages; for `generate --documents`.

    Every row says which model wrote it. What models answer is kept in the store: asking again pays once.
    """
    from synth.cli.progress import choose_reporter
    from synth.store import choose_store
    from synth.topics.documents import save_documents, subject_of, write_documents
    from synth.topics.requests import DocumentFromTopic

    _check_new(file)
    choices = _choices(domain, seed, config, language, personas)
    choices, settings = _reached(choices, llm, request_timeout)
    subject = subject_of(choices, DocumentFromTopic.prompt, "documents about topics are written by an LLM")
    wanted = count or subject.loaded.domain.invention.documents
    with choose_reporter() as reporter:
        library = write_documents(subject, wanted, choose_store(store), settings, reporter)
    save_documents(file, library)
    if library.exhausted and not as_json:
        out.print(f"Fewer than the {wanted:,} that were wanted: the last hundred requests brought nothing new.")
    _show(
        file,
        "documents",
        len(library.documents),
        library.count,
        [f"{each.title} ({each.genre}, {each.language})" for each in library.documents[:3]],
        f"Read them, then: {command('synth')} generate --domain {domain} --documents {file} --llm …",
        as_json=as_json,
    )


@app.command("instructions")
def instructions(  # noqa: PLR0913 - one parameter a flag
    domain: DomainOption,
    llm: LlmOption = None,
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", min=1, help="To ask for. Default: one for every topic and type of task."),
    ] = None,
    language: LanguageOption = None,
    personas: PersonasOption = None,
    seed: SeedOption = None,
    config: ConfigOption = None,
    request_timeout: TimeoutOption = 600.0,
    file: OutOption = Path("instructions.jsonl"),
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have task instructions invented for a domain's topics, as a list to read, edit and pin; for `generate --instructions`."""
    from synth.cli.progress import choose_reporter
    from synth.store import choose_store
    from synth.topics.documents import subject_of
    from synth.topics.instructions import derive_instructions, every_place, save_instructions
    from synth.topics.requests import InstructionFromTopic

    _check_new(file)
    choices = _choices(domain, seed, config, language, personas)
    choices, settings = _reached(choices, llm, request_timeout)
    subject = subject_of(choices, InstructionFromTopic.prompt, "task instructions are invented by an LLM")
    with choose_reporter() as reporter:
        derived = derive_instructions(subject, count or every_place(subject), choose_store(store), settings, reporter)
    save_instructions(file, derived)
    _show(
        file,
        "task instructions",
        len(derived.instructions),
        derived.count,
        [f"{each.task}: {each.text}" for each in derived.instructions[:3]],
        f"Read and edit them, then: {command('synth')} generate --domain {domain} … --instructions {file}",
        as_json=as_json,
    )


def _choices(
    domain: str, seed: int | None, config: Path | None, language: list[str] | None, personas: Path | None
) -> Choices:
    from synth.recipe import Choices

    return Choices(domain, seed=seed, config=config, languages=tuple(language or ()), personas=personas)


def _check_new(file: Path) -> None:
    if file.exists():
        raise InputError(f"{file} exists; name another with -o, or remove it (nothing is asked twice)")


def _reached(choices: Choices, llm: list[str] | None, timeout: float) -> tuple[Choices, LlmSettings]:
    """The choices with the servers' models; a wrong domain should not wait for servers."""
    from dataclasses import replace

    from synth.domains import load_domain
    from synth.llm.settings import reach
    from synth.recipe import override

    override(load_domain(choices.domain), choices)
    settings = reach(llm or ()).model_copy(update={"request_timeout": timeout})
    return replace(choices, models=tuple(settings.models)), settings


def _show(
    file: Path, what: str, number: int, count: AskedCount, examples: list[str], then: str, *, as_json: bool
) -> None:
    from rich.markup import escape

    if as_json:
        told: dict[str, Any] = {"file": str(file), **count.model_dump()}
        show_json(told)
        return
    out.print(f"[bold green]{number:,} {what}[/] in {escape(str(file))} ({count.describe()})")
    for each in examples:
        out.print(f"  {escape(each)}")
    out.print(escape(then))
