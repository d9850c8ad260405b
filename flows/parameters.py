"""What a flow run can be asked for; Prefect shows it as a form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError

from schemas.base import Strict
from schemas.recipe import ModelChoice
from synth.corpora import Documents
from synth.enrich.setup import with_enriched
from synth.errors import InputError
from synth.fetch import fetch_documents, is_hub
from synth.llm.budget import Budget
from synth.llm.settings import reach
from synth.personas.documents import FROM_DOCUMENTS, with_derived
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.resuming import check_unchanged
from synth.run import DEFAULT_SHARD_SIZE, Run, absolute_set, create_run, find_run
from synth.store import choose_store
from synth.topics.documents import FROM_TOPICS, is_topics, with_invented
from synth.topics.instructions import with_instructions
from synth.update import as_update


def _position(number: int) -> dict[str, int]:
    return {"position": number}


class GenerateParameters(Strict):
    """Parameters are stored by Prefect in clear, so none of them is a secret."""

    domain: Annotated[
        str,
        Field(
            min_length=1,
            description="Name of a domain, such as finance, or path of a domain file.",
            json_schema_extra=_position(0),
        ),
    ]
    documents: Annotated[
        list[str],
        Field(
            default_factory=list,
            description="Files or folders on the machine that runs the flow, or datasets of the Hub: hf://ORG/NAME; or topics: written about the topics of the domain by llm. None: the sample corpus of the domain.",
            json_schema_extra=_position(1),
        ),
    ]
    text_field: Annotated[
        str | None,
        Field(
            description="Field or column of the documents with the text. Default: detected.",
            json_schema_extra=_position(2),
        ),
    ] = None
    title_field: Annotated[
        str | None,
        Field(description="Field or column with the title. Default: detected.", json_schema_extra=_position(3)),
    ] = None
    id_field: Annotated[
        str | None,
        Field(description="Field or column with the id. Default: detected.", json_schema_extra=_position(4)),
    ] = None
    name: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9][a-z0-9._-]*$",
            description="Name of the dataset. Default: the domain.",
            json_schema_extra=_position(5),
        ),
    ] = None
    limit: Annotated[
        int | None,
        Field(
            ge=1,
            description="Accepted records to publish. Default: one pass over your documents, or what the domain says for its sample corpus.",
            json_schema_extra=_position(6),
        ),
    ] = None
    teacher: Annotated[
        str | None,
        Field(
            description="The embedder that scores: lexical, name or folder of a sentence-transformers model, or a server such as http://HOST:8001/v1. Default: as the domain says.",
            json_schema_extra=_position(7),
        ),
    ] = None
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            description="Another seed plans other items. Default: as the domain says.",
            json_schema_extra=_position(8),
        ),
    ] = None
    personas: Annotated[
        str | None,
        Field(
            description="JSON Lines file of personas, or documents: derived from the documents by llm. Default: those of the domain.",
            json_schema_extra=_position(9),
        ),
    ] = None
    config: Annotated[
        str | None,
        Field(description="YAML file that changes settings of the domain.", json_schema_extra=_position(10)),
    ] = None
    decontaminate: Annotated[
        list[str],
        Field(
            default_factory=list,
            description="Evaluation sets that the dataset must not hold: folders or files on the machine that runs the flow, or hf://ORG/NAME.",
            json_schema_extra=_position(11),
        ),
    ]
    update: Annotated[
        bool,
        Field(
            description="Make the next version out of the newest: only new and changed documents are planned.",
            json_schema_extra=_position(12),
        ),
    ] = False
    freeze_test: Annotated[
        bool | None,
        Field(
            description="In an update, send new and changed documents all to train, so that the test split stays comparable. Default: yes.",
            json_schema_extra=_position(13),
        ),
    ] = None
    mixed_recipes: Annotated[
        bool,
        Field(
            description="In an update, go on although the settings make other records than those of the newest version.",
            json_schema_extra=_position(14),
        ),
    ] = False
    llm: Annotated[
        list[str],
        Field(
            default_factory=list,
            title="LLM",
            description="Servers that write, such as http://HOST:8000/v1, or vllm:MODEL to start one. None: queries are cut out of the documents. An API key comes from the environment of the worker.",
            json_schema_extra=_position(15),
        ),
    ]
    max_requests: Annotated[
        int | None,
        Field(ge=1, description="End the run cleanly after so many requests.", json_schema_extra=_position(16)),
    ] = None
    max_tokens_total: Annotated[
        int | None,
        Field(
            ge=1, description="End the run cleanly after so many tokens, in and out.", json_schema_extra=_position(17)
        ),
    ] = None
    max_hours: Annotated[
        float | None,
        Field(gt=0, description="End the run cleanly after so many hours.", json_schema_extra=_position(18)),
    ] = None
    request_timeout: Annotated[
        float,
        Field(
            ge=1,
            description="Seconds until a request is given up and sent again.",
            json_schema_extra=_position(19),
        ),
    ] = 600.0
    metrics_port: Annotated[
        int | None,
        Field(
            ge=1,
            le=65_535,
            description="Serve live counters for Prometheus on this local port of the machine that runs the flow.",
            json_schema_extra=_position(20),
        ),
    ] = None
    store: Annotated[
        str | None,
        Field(description="Store folder. Default: SYNTH_STORE, else ./synth-store.", json_schema_extra=_position(21)),
    ] = None
    shard_size: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Planned items a task makes. It changes nothing in the dataset; aim at minutes of work.",
            json_schema_extra=_position(22),
        ),
    ] = DEFAULT_SHARD_SIZE
    run_id: Annotated[
        str | None,
        Field(
            description="Continue this unfinished run of the store; every other field but the store is then ignored.",
            json_schema_extra=_position(23),
        ),
    ] = None
    licence: Annotated[
        str,
        Field(
            description="Licence of documents that state none, such as cc-by-4.0. Empty: unknown; such records can't be pushed.",
            json_schema_extra=_position(24),
        ),
    ] = ""

    llm_key_block: Annotated[
        str | None,
        Field(
            title="LLM Key Block",
            description="Name of the Secret block that holds the API key of the LLM servers. None: SYNTH_LLM_API_KEY of the worker.",
            json_schema_extra=_position(25),
        ),
    ] = None

    runner: Annotated[
        str,
        Field(
            pattern=r"^(ray(://[^/\s:@]+:\d+)?)?$",
            description="Where shards are made. Empty: in this process; ray: in processes of this machine; ray://HOST:10001: on a cluster (docs/scale-out.md).",
            json_schema_extra=_position(26),
        ),
    ] = ""
    languages: Annotated[
        list[str],
        Field(
            default_factory=list,
            description="Languages to ask in, such as de or pt-BR=2 (twice the weight). None: as the domain says.",
            json_schema_extra=_position(27),
        ),
    ]
    instructions: Annotated[
        str | None,
        Field(
            description="JSON Lines file of task instructions, or topics: invented for the topics of the domain by llm. Default: each is invented for its passage.",
            json_schema_extra=_position(28),
        ),
    ] = None

    def choices(self, models: tuple[ModelChoice, ...] = ()) -> Choices:
        """The same, as the engine wants it; `models` are those that `llm` reaches."""
        return Choices(
            domain=self.domain,
            documents=fetch_documents(
                [Path(path).expanduser() for path in self.documents],
                choose_store(self.store),
                Silent(),
                self.text_field,
            ),
            licence=self.licence,
            name=self.name,
            limit=self.limit,
            seed=self.seed,
            languages=tuple(self.languages),
            teacher=self.teacher,
            personas=_path(self.personas),
            instructions=_path(self.instructions),
            config=_path(self.config),
            models=models,
            decontaminate=tuple(self.decontaminate),
        )

    @property
    def spending(self) -> dict[str, Any]:
        """What a run may spend, and how it asks: fields of `LlmSettings`."""
        return {
            "budget": Budget(requests=self.max_requests, tokens=self.max_tokens_total, hours=self.max_hours),
            "request_timeout": self.request_timeout,
            "metrics_port": self.metrics_port,
        }

    def anchored(self) -> Self:
        """The same with absolute paths: a scheduled run may start in another folder."""
        is_file = self.domain.endswith((".yaml", ".yml")) or len(Path(self.domain).parts) > 1
        return self.model_copy(
            update={
                "domain": _absolute(self.domain) if is_file else self.domain,
                "documents": [
                    path if is_hub(Path(path)) or is_topics(path) else _absolute(path) for path in self.documents
                ],
                "instructions": self.instructions and self._anchored_instructions(self.instructions),
                "personas": self.personas and self._anchored_personas(self.personas),
                "config": self.config and _absolute(self.config),
                "decontaminate": [absolute_set(place) for place in self.decontaminate],
                "store": choose_store(self.store).where,
            }
        )

    @staticmethod
    def _anchored_personas(personas: str) -> str:
        return personas if Path(personas) == FROM_DOCUMENTS else _absolute(personas)

    @staticmethod
    def _anchored_instructions(instructions: str) -> str:
        return instructions if Path(instructions) == FROM_TOPICS else _absolute(instructions)


def build_parameters(**fields: object) -> GenerateParameters:
    """Parameters from flags; InputError names the flag that is wrong."""
    try:
        return GenerateParameters.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        flag = str(first["loc"][0]).replace("_", "-")
        raise InputError(f"--{flag}: {first['msg']}, got {first['input']!r}") from error


def open_run(parameters: GenerateParameters) -> Run:
    """The run to continue, or a new one; raises InputError."""
    store = choose_store(parameters.store)
    if parameters.run_id is not None:
        run = find_run(store, parameters.run_id)
        check_unchanged(run)
        return run
    llm = reach(parameters.llm).model_copy(update=parameters.spending)
    fields = Documents((), parameters.text_field, parameters.title_field, parameters.id_field)
    choices = with_invented(parameters.choices(tuple(llm.models)), store, llm, Silent())
    choices = with_enriched(choices, fields, store, llm, Silent())
    choices = with_instructions(choices, store, llm, Silent())
    choices = with_derived(choices, fields, store, llm, Silent())
    return create_run(
        as_update(
            resolve(choices),
            store,
            update=parameters.update,
            freeze_test=parameters.freeze_test,
            mixed=parameters.mixed_recipes,
        ),
        store,
        shard_size=parameters.shard_size,
        text_field=parameters.text_field,
        title_field=parameters.title_field,
        id_field=parameters.id_field,
        llm=llm if parameters.llm else None,
    )


def parameters_of(run: Run, runner: str = "") -> GenerateParameters:
    """Parameters that continue `run`, and say in the UI what it is."""
    info, recipe = run.info, run.recipe
    return GenerateParameters(
        domain=recipe.domain,
        documents=info.documents,
        text_field=info.text_field,
        title_field=info.title_field,
        id_field=info.id_field,
        licence=info.licence if info.documents else "",
        name=info.name,
        limit=recipe.limit,
        teacher=info.teacher.flag(recipe.teacher),
        seed=recipe.seed,
        decontaminate=info.decontaminate,
        update=recipe.parent is not None,
        freeze_test=recipe.parent.freeze_test if recipe.parent else None,
        llm=[endpoint.url for endpoint in info.llm.endpoints] if info.llm else [],
        store=run.store.where,
        shard_size=info.shard_size,
        run_id=run.id,
        runner=runner,
        languages=[f"{code}={weight:g}" for code, weight in recipe.plan.language.items()],
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
