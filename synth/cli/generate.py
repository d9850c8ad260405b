"""`synth generate`: the main job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.fusion import FuseOption, RescoreDepthOption, RescoreOption
from synth.cli.output import JsonOption, StoreOption, command, err, show_json
from synth.cli.quick import leave_pandas_out
from synth.cli.runner import RunnerOption
from synth.cli.runner import check as check_runner
from synth.cli.sources import local_documents
from synth.errors import InputError, StoreError

if TYPE_CHECKING:
    from synth.llm.settings import LlmSettings
    from synth.recipe import Choices
    from synth.run import Run
    from synth.store import Store, VersionRef

DomainOption = Annotated[
    str, typer.Option("--domain", "-d", help="A domain by name (see `synth domains`) or the path of a domain file.")
]
DocumentsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--documents",
        help="Files, folders and datasets of the Hub (hf://ORG/NAME, with @REVISION, /CONFIG and :SPLIT behind it) to make queries about, one or several; or 'topics' to have documents written about the domain's topics with --llm. Default: the domain's sample corpus.",
    ),
]
TextFieldOption = Annotated[
    str | None, typer.Option("--text-field", help="Field or column with the text. Default: detected.")
]
TitleFieldOption = Annotated[
    str | None, typer.Option("--title-field", help="Field or column with the title. Default: detected.")
]
IdFieldOption = Annotated[
    str | None, typer.Option("--id-field", help="Field or column with the id. Default: detected.")
]
NameOption = Annotated[str | None, typer.Option("--name", help="Name of the dataset. Default: the domain's.")]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "-n",
        help="Publish exactly this many accepted records. Default: one pass over --documents, else the domain file's number.",
    ),
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of every draw. Default: the domain file's.")]
LanguageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--language",
        metavar="CODE[=WEIGHT]",
        help="In which language to ask, such as de or pt-BR=2. Repeat for several: then a passage is asked about in its own language where it is one of them (docs/languages.md). Default: the domain file's.",
        show_default=False,
    ),
]
TeacherOption = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher",
        metavar="NAME|URL",
        help="'lexical' (BM25), a sentence-transformers model by name or folder, or a server that embeds: http://HOST:8001/v1. Options behind it: ,query_prompt=… ,max_tokens=… ,dtype=float16 ,devices=2 (docs/teachers.md). Repeat for several, which are fused: ,weight=0.3. Default: the domain file's.",
        show_default=False,
    ),
]
PersonasOption = Annotated[
    Path | None,
    typer.Option(
        "--personas",
        help="JSON Lines of personas, or 'documents' to derive them from the documents with --llm. Default: the domain's.",
    ),
]
InstructionsOption = Annotated[
    Path | None,
    typer.Option(
        "--instructions",
        help="JSON Lines of task instructions (`synth topics instructions`), or 'topics' to have them invented for the domain's topics with --llm. Default: each is invented for its passage.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML with any fields of a domain file. Precedence: domain file < --config < flags."),
]
LlmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--llm",
        metavar="URL|vllm:MODEL",
        help="A server that writes: http://HOST:8000/v1[,weight=2][,task=NAME][,model=NAME], or vllm:MODEL to start one. Repeat for several. An API key comes from SYNTH_LLM_API_KEY. Default: cut queries out of the documents.",
        show_default=False,
    ),
]
DecontaminateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--decontaminate",
        metavar="PATH|hf://ORG/NAME",
        help="An evaluation set that the dataset must not hold: a folder of queries, corpus and qrels, a file with a column of queries, or hf://ORG/NAME, with /CONFIG and :SPLIT where it has several. Repeat for several sets.",
        show_default=False,
    ),
]
UpdateOption = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Make the next version out of the newest: records of unchanged documents are carried over, those of changed and deleted ones retired, and only new and changed documents are planned (docs/incremental.md).",
    ),
]
FreezeTestOption = Annotated[
    bool | None,
    typer.Option(
        "--freeze-test/--no-freeze-test",
        help="With --update: new and changed documents all go to train, so that the test split stays comparable. Default: --freeze-test.",
        show_default=False,
    ),
]
MixedRecipesOption = Annotated[
    bool,
    typer.Option(
        "--mixed-recipes", help="With --update: go on although this recipe makes other records than the parent's."
    ),
]
MaxRequestsOption = Annotated[
    int | None, typer.Option("--max-requests", min=1, help="End the run cleanly after so many requests.")
]
MaxTokensOption = Annotated[
    int | None, typer.Option("--max-tokens-total", min=1, help="End the run cleanly after so many tokens, in and out.")
]
MaxHoursOption = Annotated[
    float | None, typer.Option("--max-hours", min=0.001, help="End the run cleanly after so many hours.")
]
LicenceOption = Annotated[
    str | None,
    typer.Option(
        "--licence",
        metavar="ID",
        help="Of documents that state none. Default: unknown; such records can't be pushed.",
        show_default=False,
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--request-timeout", min=1.0, help="Seconds until a request is given up and sent again.")
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option("--metrics-port", min=1, max=65_535, help="Serve live counters for Prometheus on this local port."),
]


def generate(  # noqa: PLR0913 - one parameter a flag
    domain: DomainOption,
    documents: DocumentsOption = None,
    text_field: TextFieldOption = None,
    title_field: TitleFieldOption = None,
    id_field: IdFieldOption = None,
    licence: LicenceOption = None,
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
    decontaminate: DecontaminateOption = None,
    update: UpdateOption = False,
    freeze_test: FreezeTestOption = None,
    mixed_recipes: MixedRecipesOption = False,
    max_requests: MaxRequestsOption = None,
    max_tokens_total: MaxTokensOption = None,
    max_hours: MaxHoursOption = None,
    request_timeout: TimeoutOption = 600.0,
    metrics_port: MetricsPortOption = None,
    store: StoreOption = None,
    shard_size: Annotated[
        int, typer.Option("--shard-size", min=1, help="Items per shard; never changes the result.")
    ] = 1_000,
    prefect: Annotated[
        bool, typer.Option("--prefect", help="Run as a Prefect flow. Default: when PREFECT_API_URL is set.")
    ] = False,
    runner: RunnerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a dataset: plan, generate, gate, mine hard negatives, publish a version."""
    from synth.documents import read_documents
    from synth.domains import load_domain
    from synth.llm.budget import Budget
    from synth.llm.settings import reach
    from synth.recipe import Choices, resolve
    from synth.run import create_run, discard_unmade
    from synth.store import check_name, choose_store
    from synth.update import as_update, newest_version

    check_runner(runner)
    loaded = load_domain(domain)  # a typo there should not wait for servers
    chosen_store = choose_store(store)
    if update:
        newest_version(name or loaded.domain.name, chosen_store)
    settings = reach(llm or ())
    choices = Choices(
        domain=domain,
        documents=local_documents(documents, chosen_store, text_field),
        licence=licence or "",
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
        decontaminate=tuple(decontaminate or ()),
    )
    budget = Budget(requests=max_requests, tokens=max_tokens_total, hours=max_hours)
    asked = settings.model_copy(update={"budget": budget})
    resolved = resolve(derived(choices, (text_field, title_field, id_field), chosen_store, asked))
    resolved = as_update(resolved, chosen_store, update=update, freeze_test=freeze_test, mixed=mixed_recipes)
    read_documents(resolved.documents)  # refuses wrong paths before a run is written
    how = {"budget": budget, "request_timeout": request_timeout, "metrics_port": metrics_port}
    run = create_run(
        resolved,
        chosen_store,
        shard_size=shard_size,
        text_field=text_field,
        title_field=title_field,
        id_field=id_field,
        llm=settings.model_copy(update=how) if llm else None,
    )
    try:
        finish(run, chosen_store, use_prefect=wants_prefect(prefect), as_json=as_json, runner=runner or "")
    except InputError as error:
        if not isinstance(error, StoreError):
            discard_unmade(run)
        raise


def derived(choices: Choices, fields: Sequence[str | None], store: Store, settings: LlmSettings) -> Choices:
    """The choices with documents, instructions and personas that an LLM makes first, where these are chosen."""
    from synth.corpora import Documents
    from synth.enrich.setup import wants_enrichment, with_enriched
    from synth.personas.documents import FROM_DOCUMENTS, with_derived
    from synth.topics.documents import FROM_TOPICS, with_invented
    from synth.topics.instructions import with_instructions

    made = choices.personas == FROM_DOCUMENTS or FROM_TOPICS in (*choices.documents, choices.instructions)
    if not made and not wants_enrichment(choices):
        return choices
    from synth.cli.progress import choose_reporter

    with choose_reporter() as reporter:
        known = with_invented(choices, store, settings, reporter)
        known = with_enriched(known, Documents((), *fields), store, settings, reporter)
        known = with_instructions(known, store, settings, reporter)
        return with_derived(known, Documents((), *fields), store, settings, reporter)


def finish(run: Run, store: Store, *, use_prefect: bool, as_json: bool, runner: str = "") -> None:
    """Take a run to its end and say what came of it; Ctrl-C leaves it resumable."""
    leave_pandas_out()
    try:
        version = _execute(run, use_prefect, runner)
    except KeyboardInterrupt:
        err.print(f"\nInterrupted; nothing is lost. Go on with: {command('synth')} resume {run.id}{_store_flag(store)}")
        raise
    from synth.cli.summary import describe, show_next_steps, show_version

    if as_json:
        show_json(describe(version))
        return
    manifest = version.manifest
    show_version(version, manifest)
    show_next_steps(version, manifest, _store_flag(store), is_new=manifest.run_id == run.id)


def wants_prefect(flag: bool) -> bool:
    """Whether a run goes through Prefect: asked for, or a server is named."""
    return flag or bool(os.environ.get("PREFECT_API_URL"))


def _execute(run: Run, use_prefect: bool, runner: str) -> VersionRef:
    if (use_prefect or runner) and run.info.refines:
        from flows.refine import refine_with_prefect

        return refine_with_prefect(run)
    if use_prefect or runner:
        from flows.generate import run_with_prefect

        return run_with_prefect(run, runner=runner)
    from synth.cli.interrupt import Attentive
    from synth.cli.progress import choose_reporter
    from synth.run import execute

    with choose_reporter() as reporter, Attentive(reporter) as attentive:
        return execute(run, attentive)


def _store_flag(store: Store) -> str:
    """` --store …` where a command would not find the store by itself."""
    from synth.store import choose_store

    return "" if choose_store(None) == store else f" --store {store.where}"
