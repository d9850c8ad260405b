"""Some rows of a domain before anything is run: its first documents, cut and asked about in a folder that is gone afterwards."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path

from schemas.document import Document, RejectedSource
from schemas.recipe import ChunkSettings
from synth.chunk import chunk_document
from synth.corpora import Documents
from synth.domain_summary import CorpusSummary, summarise_corpus
from synth.errors import InputError
from synth.generators import Call
from synth.ingest import ingest
from synth.language import identify
from synth.llm.settings import LlmSettings
from synth.personas.match import match_without_run
from synth.plan import Plan
from synth.preflight import equipment_for
from synth.preview import Look, preview
from synth.progress import Reporter
from synth.recipe import Resolved
from synth.shard import calls_between, refuse
from synth.teachers.scoring import build_scoring

ROWS = 5
READ = 200
"""Sources that are read; a corpus may hold millions."""
LOOKED_AT = 400
"""Items of the plan that the rows are chosen from."""
_MIN_LETTERS = 40


@dataclass(frozen=True)
class First:
    """The first sources of a corpus as they were read."""

    items: list[Document | RejectedSource]
    whole: bool
    """Whether there are no more."""

    @property
    def documents(self) -> list[Document]:
        return [item for item in self.items if isinstance(item, Document)]

    @property
    def language(self) -> str:
        """The language that more than half of the documents are in; '' where there is none, or it can't be told."""
        found = [identify(document.text, _MIN_LETTERS) for document in self.documents]
        counts = Counter(each.language for each in found if each is not None)
        best, count = counts.most_common(1)[0] if counts else ("", 0)
        return best if 2 * count > len(found) else ""

    def count_passages(self, settings: ChunkSettings, language: str) -> int:
        """Passages that they are cut into, before any is merged or dropped."""
        return sum(len(chunk_document(document.text, settings, language)) for document in self.documents)


@dataclass(frozen=True)
class DryRun:
    """What became of some planned items, and what they are about."""

    corpus: CorpusSummary
    more: bool
    """Whether the corpus holds documents that were not read."""
    looks: list[Look]


def read_first(documents: Documents) -> First:
    """The first sources; DocumentError where a path can't be used."""
    items = list(islice(documents.read(), READ + 1))
    return First(items[:READ], whole=len(items) <= READ)


def dry_run(resolved: Resolved, first: First, settings: LlmSettings, reporter: Reporter) -> DryRun:
    """Make the first items of the plan over these documents, each about another passage as far as there are enough.

    Record gates judge them; set gates look at whole runs. Nothing is kept, not even what an LLM answers.
    Raises DocumentError where no passage can be made, InputError where no item can be asked for.
    """
    people = {persona.id: persona for persona in resolved.personas}
    with tempfile.TemporaryDirectory(prefix="synth-dry-run-") as name:
        folder = Path(name)
        reporter.stage("read documents")
        corpus, count, sha256 = ingest(first.items, resolved.recipe, folder / "corpus", reporter)
        recipe = resolved.recipe.model_copy(update={"corpus_sha256": sha256})
        teacher = build_scoring(resolved.scoring, folder / "teacher", folder / "embeddings")
        nearest = match_without_run(recipe, corpus, resolved.personas, teacher, folder, reporter)
        plan = Plan(recipe, corpus.ids, list(people), nearest)
        planned = calls_between(recipe, corpus, plan, people, 0, plan.items_per_round, resolved.instructions)
        possible = (call for call in planned if not corpus.leaked[call.input.item.passage] and not refuse(call))
        calls = choose_spread(islice(possible, LOOKED_AT), ROWS)
        if not calls:
            raise InputError("no item of the plan can be asked for: its tasks do not suit these documents")
        reporter.stage("make rows", len(calls) * max(1, len(recipe.models)))
        looks = preview(calls, equipment_for(recipe, corpus, folder / "answers", settings), reporter)
        return DryRun(summarise_corpus(corpus, count, resolved.licence), not first.whole, looks)


def choose_spread(calls: Iterable[Call], count: int) -> list[Call]:
    """Calls about different documents, and different passages where there are too few of those; in plan order."""
    of_passage: Counter[str] = Counter()
    of_document: Counter[str] = Counter()
    ranked = []
    for call in calls:
        passage, position = call.input.passage, call.input.item.position
        ranked.append(((of_passage[passage.id], of_document[passage.document_id], position), call))
        of_passage[passage.id] += 1
        of_document[passage.document_id] += not ranked[-1][0][0]
    chosen = sorted(ranked, key=itemgetter(0))[:count]
    return [call for _, call in sorted(chosen, key=lambda each: each[1].input.item.position)]
