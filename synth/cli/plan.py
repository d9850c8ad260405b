"""`synth plan`: what would be made, without making it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.fusion import FuseOption, RescoreDepthOption, RescoreOption
from synth.cli.generate import (
    ConfigOption,
    DocumentsOption,
    DomainOption,
    FreezeTestOption,
    IdFieldOption,
    InstructionsOption,
    LanguageOption,
    LimitOption,
    LlmOption,
    MixedRecipesOption,
    NameOption,
    PersonasOption,
    SeedOption,
    TeacherOption,
    TextFieldOption,
    TitleFieldOption,
    UpdateOption,
    derived,
)
from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.sources import local_documents

if TYPE_CHECKING:
    from schemas.manifest import SourceCount
    from schemas.recipe import Recipe
    from synth.corpora import Documents
    from synth.corpus import Corpus
    from synth.llm.settings import LlmSettings
    from synth.plan import Item, Plan
    from synth.progress import Reporter
    from synth.recipe import Resolved
    from synth.store import Store


def plan(  # noqa: PLR0913 - one parameter a flag
    domain: DomainOption,
    documents: DocumentsOption = None,
    text_field: TextFieldOption = None,
    title_field: TitleFieldOption = None,
    id_field: IdFieldOption = None,
    name: NameOption = None,
    limit: LimitOption = None,
    seed: SeedOption = None,
    language: LanguageOption = None,
    teacher: TeacherOption = None,
    fuse: FuseOption = None,
    rescore: RescoreOption = None,
    rescore_depth: RescoreDepthOption = None,
    personas: PersonasOption = None,
    instructions: InstructionsOption = None,
    config: ConfigOption = None,
    llm: LlmOption = None,
    update: UpdateOption = False,
    freeze_test: FreezeTestOption = None,
    mixed_recipes: MixedRecipesOption = False,
    store: StoreOption = None,
    show: Annotated[int, typer.Option("--show", min=1, help="Items of the plan to show.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show the recipe and the first items of the plan.

    With --llm also requests, tokens, time and cache share; of what it asks the server to find out, answers are kept
    in the store for the run that follows. Nothing else is generated or kept.
    """
    from synth.cli.progress import choose_reporter
    from synth.corpora import Documents
    from synth.domains import load_domain
    from synth.llm.settings import reach
    from synth.recipe import Choices, resolve
    from synth.store import check_name, choose_store
    from synth.update import as_update, newest_version

    loaded = load_domain(domain)  # a typo there should not wait for servers
    chosen_store = choose_store(store)
    if update:
        newest_version(name or loaded.domain.name, chosen_store)
    settings = reach(llm or ())
    choices = Choices(
        domain=domain,
        documents=local_documents(documents, chosen_store, text_field),
        name=check_name(name) if name else None,
        limit=limit,
        seed=seed,
        languages=tuple(language or ()),
        teacher=teacher,
        fuse=fuse.value if fuse else None,
        rescore=rescore,
        rescore_depth=rescore_depth,
        personas=personas,
        instructions=instructions,
        config=config,
        models=tuple(settings.models),
    )
    resolved = resolve(derived(choices, (text_field, title_field, id_field), chosen_store, settings))
    resolved = as_update(resolved, chosen_store, update=update, freeze_test=freeze_test, mixed=mixed_recipes)
    wanted = Documents(tuple(resolved.documents), text_field, title_field, id_field)
    with choose_reporter() as reporter, planned(resolved, resolved.recipe, wanted, chosen_store, reporter) as made:
        recipe, corpus, count, sequence = made
        summary = _summary(recipe, corpus, count, sequence, show)
        if update:
            summary |= _taken(corpus.folder.parent, resolved.parent)
        if llm and sequence.items_per_round:
            summary["llm"] = _forecast(resolved, recipe, corpus, sequence, settings, chosen_store, reporter)
    if as_json:
        show_json(summary)
    else:
        _show(summary)


_CARRIED_AT_ONCE = 4_096


@contextmanager
def planned(
    resolved: Resolved, recipe: Recipe, documents: Documents, store: Store, reporter: Reporter
) -> Iterator[tuple[Recipe, Corpus, SourceCount, Plan]]:
    """A recipe, its passages and its plan, in a folder that is gone afterwards."""
    from synth.carried import carry, know_parent, read_planned
    from synth.corpora import make_corpus
    from synth.personas.match import match_without_run
    from synth.plan import Plan
    from synth.teachers.scoring import build_scoring

    people = resolved.personas
    with tempfile.TemporaryDirectory(prefix="synth-plan-") as name:
        folder = Path(name)
        known = know_parent(store.find(resolved.parent), recipe.parent, folder) if recipe.parent else None
        corpus, count, sha256 = make_corpus(
            documents, recipe, store.corpora, folder / "corpus", reporter, keep=False, known=known
        )
        if known:
            carry(store.find(resolved.parent), known, corpus, folder, recipe, _CARRIED_AT_ONCE)
        recipe = recipe.model_copy(update={"corpus_sha256": sha256})
        teacher = build_scoring(resolved.scoring, folder / "teacher", store.embeddings)
        nearest = match_without_run(recipe, corpus, people, teacher, folder, reporter)
        planned = read_planned(folder) if known else None
        yield (
            recipe,
            corpus,
            count,
            Plan(recipe, corpus.ids, [person.id for person in people], nearest, planned, corpus.languages),
        )


def _taken(folder: Path, parent: str) -> dict[str, Any]:
    """What an update would take over."""
    from synth.carried import read_taken

    return {"parent": parent, "update": read_taken(folder).count.model_dump()}


def drawn(item: Item) -> dict[str, str]:
    """What the plan drew for an item, as --json shows it."""
    return {
        "persona": item.persona,
        "query_type": item.query_type,
        "difficulty": item.difficulty,
        "length": item.length,
        "language": item.language,
    }


def _summary(recipe: Recipe, corpus: Corpus, count: SourceCount, sequence: Plan, show: int) -> dict[str, Any]:
    items = list(sequence.items(0, show if sequence.items_per_round else 0))
    texts = corpus.texts([item.passage for item in items])
    return {
        "recipe_sha256": recipe.sha256,
        "recipe": recipe.model_dump(mode="json"),
        "sources": count.model_dump(),
        "passages": len(corpus),
        "test_passages": int(corpus.is_test.sum()),
        "leaked_passages": int(corpus.leaked.sum()),
        "items_in_one_pass": sequence.items_per_round,
        "parent": "",
        "update": None,
        "llm": None,
        "items": [
            {
                "position": item.position,
                "passage": corpus.ids[item.passage],
                "split": "test" if corpus.is_test[item.passage] else "train",
                "task": item.task,
                **drawn(item),
                "text": text,
            }
            for item, text in zip(items, texts, strict=True)
        ],
    }


def _forecast(
    resolved: Resolved,
    recipe: Recipe,
    corpus: Corpus,
    sequence: Plan,
    settings: LlmSettings,
    store: Store,
    reporter: Reporter,
) -> dict[str, Any]:
    from synth.preflight import equipment_for, forecast, sample
    from synth.shard import calls_between

    personas = {persona.id: persona for persona in resolved.personas}
    items = math.ceil(recipe.limit * 1.25) if recipe.limit else sequence.items_per_round
    reporter.stage("ask the server")

    def calls_of(start: int, stop: int) -> Any:
        return calls_between(recipe, corpus, sequence, personas, start, stop, resolved.instructions)

    calls = sample(calls_of, items, recipe.plan.items_per_passage)
    equipment = equipment_for(recipe, corpus, store.answers, settings)
    return forecast(calls, items, equipment, reporter).model_dump()


def _show(summary: dict[str, Any]) -> None:
    from rich.markup import escape

    recipe, sources = summary["recipe"], summary["sources"]
    wanted = f"{recipe['limit'] or 'one full pass'}{', or until nothing new comes' if recipe['stop'] else ''}"
    out.print(
        f"recipe   {summary['recipe_sha256'][:16]}  domain {recipe['domain']}, seed {recipe['seed']}, accepted records: {wanted}"
    )
    dropped = ", ".join(f"{reason} {items:,}" for reason, items in sources["dropped"].items()) or "none dropped"
    out.print(f"sources  {sources['read']:,} read, {sources['kept']:,} kept ({escape(dropped)})")
    out.print(
        f"passages {summary['passages']:,}, of them {summary['test_passages']:,} test and {summary['leaked_passages']:,} train ones too like a test passage"
    )
    if summary["update"]:
        _show_update(summary["parent"], summary["update"])
    if summary["llm"]:
        _show_forecast(summary["llm"])
    out.print(f"plan     {summary['items_in_one_pass']:,} items in one pass; the first {len(summary['items'])}:")
    for item in summary["items"]:
        drawn = ", ".join(item[name] for name in ("query_type", "difficulty", "length", "language"))
        out.print(
            f"  [bold]{item['position']}[/] {item['split']}, {drawn}: {escape(item['persona'])} asks about {escape(item['passage'])}"
        )


def _show_update(parent: str, update: dict[str, Any]) -> None:
    from synth.cli.summary import tell_documents

    documents = tell_documents(update["documents"])
    retired = ", ".join(f"{reason} {count:,}" for reason, count in update["retired"].items()) or "none"
    out.print(
        f"update   {update['carried']:,} of the {update['records']:,} records of {parent} carried over, retired: {retired}"
    )
    out.print(f"         documents: {documents}")


def _show_forecast(llm: dict[str, Any]) -> None:
    how = "counted by the server on a sample" if llm["counted_by"] == "server" else "about four characters each"
    out.print(
        f"llm      {llm['requests']:,} requests, {llm['prompt_tokens']:,} prompt tokens ({how}), {llm['cacheable_share']:.0%} of them a prefix cache can serve"
    )
    if llm["seconds"] is not None:
        hours, rest = divmod(round(llm["seconds"]), 3600)
        out.print(
            f"         {llm['output_tokens']:,} output tokens and {hours} h {rest // 60:02} min {rest % 60:02} s at the pace of {llm['probed']} requests, kept for the run; a server that is kept full is faster"
        )
    else:
        out.print("         no time: the server is not running yet, or has answered the sample before")
