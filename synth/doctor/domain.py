"""What the other checks measure by: a domain file and all that it names, and the longest request that follows from it."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.document import Document, Passage
from schemas.persona import Persona
from synth import registry
from synth.doctor.finding import Finding, ok
from synth.documents import list_sources, read_documents
from synth.domains import LoadedDomain, load_facts, load_personas
from synth.errors import DomainError
from synth.generators import Call
from synth.generators.llm import first_messages
from synth.plan import Item
from synth.prompts import Message
from synth.tasks import TaskInput


def check_domain(loaded: LoadedDomain) -> Finding:
    """Every file that the domain names is there and can be read. Raises DomainError."""
    domain = loaded.domain
    sources = list_sources([loaded.corpus])
    if not sources:
        raise DomainError(
            f"{loaded.path}, field corpus: {loaded.corpus} holds no document; put some there, or name another folder"
        )
    people = load_personas(loaded.personas)
    load_facts(loaded)
    for name in domain.plan.tasks:
        registry.find("tasks", name)
    return ok(
        "domain",
        f"{domain.name}: {len(sources):,} files, {len(people):,} personas, passages of up to {domain.chunk.max_chars:,} characters, scored by {domain.scored_by}",
    )


def longest_request(loaded: LoadedDomain) -> Sequence[Message]:
    """The first request of the domain's tasks that says most: about passages as long as they get, for its wordiest persona."""
    persona = max(load_personas(loaded.personas), key=lambda each: len(each.text) + sum(map(len, each.asks)))
    text = _text(loaded, loaded.domain.chunk.max_chars)
    requests = [_request(loaded, name, persona, text) for name in sorted(loaded.domain.plan.tasks)]
    return max(requests, key=lambda messages: sum(len(message.content) for message in messages))


def _request(loaded: LoadedDomain, name: str, persona: Persona, text: str) -> Sequence[Message]:
    domain, task = loaded.domain, registry.find("tasks", name)
    drawn = {
        field: max(getattr(domain.plan, field), key=len) for field in ("query_type", "difficulty", "length", "language")
    }
    item = Item(position=0, id="0" * 16, passage=0, occurrence=0, task=name, persona=persona.id, seed=0, **drawn)
    passages = [
        Passage(id=str(n), document_id="0", text=text, start=0, end=len(text), split="train")
        for n in range(getattr(task, "passages", 1))
    ]
    given = TaskInput(
        item,
        passages[0],
        persona,
        domain.name,
        domain.instruction,
        tuple(passages[1:]),
        tuple(range(1, len(passages))),
        (persona,) * getattr(task, "candidates", 0),
    )
    return first_messages(Call(task, given))


def _text(loaded: LoadedDomain, chars: int) -> str:
    """So many characters of the domain's own corpus, as often as it takes: other languages take other numbers of tokens."""
    found = next((each.text for each in read_documents([loaded.corpus]) if isinstance(each, Document)), "") or "text "
    return (found * (chars // len(found) + 1))[:chars]
