"""What `--teacher` says: a model with all that changes its scores, and how it is reached.

    NAME_OR_FOLDER[,revision=…][,query_prompt=…][,document_prompt=…][,max_tokens=…][,dimensions=…][,dtype=…][,index=…][,devices=…][,batch=…][,search_on=…]
    http://HOST:8001/v1[,model=NAME][,query_prompt=…][,document_prompt=…][,max_tokens=…][,dimensions=…][,dtype=…][,index=…][,batch=…][,search_on=…]

What changes scores is written into the recipe, in the same form and without an address:
`served:NAME,dimensions=256`. The rest, `TeacherSettings`, goes to run.json. Prompts may hold
commas and blanks, and `\\n` for a line break.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, ValidationError

from schemas.base import Strict
from synth import registry
from synth.errors import InputError
from synth.llm.endpoints import Endpoint, discover, fetch, parse_address, parse_options
from synth.teachers.remote import said_by

SERVED = "served:"
"""How a recipe names a model that a server has."""
PROMPTS = ("query_prompt", "document_prompt")
Precision = Literal["", "float32", "float16", "bfloat16"]
Index = Literal["exact", "hnsw", "ivf", "cagra"]
Breadth = Annotated[int, Field(ge=1, le=65_536)]

_SEARCH = ("index", "ef_search", "nprobe", "search_on")
_LOCAL = ("revision", *PROMPTS, "max_tokens", "dimensions", "dtype", "devices", "batch", *_SEARCH)
_REMOTE = ("model", *PROMPTS, "max_tokens", "dimensions", "dtype", "batch", *_SEARCH)
_OPTION = re.compile(rf",(?=\w+=)|,\s+(?=(?:{'|'.join(sorted({*_LOCAL, *_REMOTE}))})=)")
"""Where an option begins; any other comma belongs to a prompt."""
_SCORING = {"devices", "revision", "model", "max_tokens", "dtype", "batch"}
"""Options that also make sense for a model that scores pairs."""


class TeacherModel(Strict):
    """A model and what changes its scores; its text form is the `teacher` of a recipe."""

    name: str
    """Empty until its server was asked."""
    is_served: bool = False
    revision: str = ""
    query_prompt: str | None = None
    """Put before every query; None for the model's own."""
    document_prompt: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longer texts are cut to so many; None for as many as the model takes."""
    dimensions: Annotated[int, Field(ge=1)] | None = None
    """First components of a vector that are kept (Matryoshka); None for all."""
    dtype: Precision = ""
    """Of the weights, where they are loaded here; half precision also stores vectors so. '' for the checkpoint's own, stored in full."""
    index: Index = "exact"
    """Where candidates come from; all but `exact` leave some out."""
    ef_search: Breadth | None = None
    """Candidates that `hnsw` and `cagra` keep on the way; None for 256."""
    nprobe: Breadth | None = None
    """Lists that `ivf` looks at, of about 4 * sqrt(passages); None for 64."""

    @property
    def searching(self) -> dict[str, str]:
        """What changes candidates and no vector, for the teacher's identity; nothing for an exact search."""
        told = self.model_dump(include=set(_SEARCH), exclude_defaults=True)
        return {name: str(value) for name, value in told.items()}

    @property
    def embedding(self) -> TeacherModel:
        """The same with an exact search: what its vectors depend on."""
        return self.model_copy(update={"index": "exact", "ef_search": None, "nprobe": None})

    @property
    def is_half(self) -> bool:
        """Whether vectors are stored with 16 bits a component."""
        return self.dtype in ("float16", "bfloat16")

    @property
    def options(self) -> dict[str, Any]:
        """What is not as it is by default."""
        return self.model_dump(exclude={"name", "is_served"}, exclude_defaults=True)

    def __str__(self) -> str:
        said = "".join(f",{name}={_escape(value)}" for name, value in sorted(self.options.items()))
        return f"{SERVED if self.is_served else ''}{self.name}{said}"


class TeacherSettings(Strict):
    """How a model is reached and how fast it is asked: part of run.json, never of the recipe. Holds no secret."""

    url: str = ""
    """Of the server, up to and including `/v1`; empty where the model is loaded here."""
    devices: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that encode, one a GPU where there are any."""
    batch: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Texts that are encoded together; None for a number that suits most models."""
    search_on: Literal["auto", "cpu", "gpu"] = "auto"
    """Where passages are searched; `auto` for GPUs where FAISS can use one. Exact answers are the same."""

    def flag(self, recipe: str) -> str:
        """What to type for the teacher that a recipe names."""
        told = self.model_dump(include={"devices", "batch", "search_on"}, exclude_defaults=True)
        name, comma, rest = recipe.removeprefix(SERVED).partition(",") if self.url else recipe.partition(",")
        head = f"{self.url},model={name}" if self.url else name
        return f"{head}{comma}{rest}{''.join(f',{option}={value}' for option, value in told.items())}"


def parse_model(text: str, flag: str = "--teacher") -> tuple[TeacherModel, TeacherSettings]:
    """A flag, or what a recipe holds, without asking anybody. Raises InputError."""
    head, _, rest = text.partition(",")
    options = _OPTION.split(rest) if rest else []
    is_url = head.strip().startswith(("http://", "https://"))
    is_served = is_url or head.startswith(SERVED)
    known = [name for name in (_REMOTE if is_served else _LOCAL) if flag == "--teacher" or name in _SCORING]
    url = ""
    if is_url:
        url = parse_address(head, ",".join([head, *(o for o in options if not o.startswith(PROMPTS))]), flag)
    fields = parse_options(options, text, known, flag=flag, verbatim=PROMPTS)
    fields |= {name: fields[name].replace("\\n", "\n") for name in PROMPTS if name in fields}
    name = fields.pop("model", "") if is_url else head.strip().removeprefix(SERVED)
    if not name and not is_url:
        raise InputError(f"{flag} {text!r} names no model: write the name or folder of one, or the address of a server")
    reached = {field: fields.pop(field) for field in ("devices", "batch", "search_on") if field in fields}
    try:
        model = TeacherModel(name=name, is_served=is_served, **fields)
        settings = TeacherSettings(url=url, **reached)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{flag} {head},{first['loc'][0]}={first['input']}: {first['msg']}") from error
    _check_search(model, settings, f"{flag} {head}")
    return model, settings


def _check_search(model: TeacherModel, settings: TeacherSettings, typed: str) -> None:
    """Whether what was said of the search goes together."""
    if model.ef_search and model.index not in ("hnsw", "cagra"):
        raise InputError(f"{typed},ef_search={model.ef_search} belongs to index=hnsw and index=cagra; leave it out")
    if model.nprobe and model.index != "ivf":
        raise InputError(f"{typed},nprobe={model.nprobe} belongs to index=ivf; leave it out")
    if settings.search_on == "gpu" and model.index in ("hnsw", "ivf"):
        raise InputError(f"{typed},index={model.index} is searched on the CPU; leave search_on=gpu out")
    if settings.search_on == "cpu" and model.index == "cagra":
        raise InputError(f"{typed},index=cagra is searched on a GPU; leave search_on=cpu out, or write index=hnsw")


def reach_teacher(text: str) -> tuple[str, TeacherSettings]:
    """What a recipe calls the teacher of a `--teacher` flag, and how it is reached.

    A server is asked for its model and whether it embeds. Raises InputError.
    """
    head, comma, _ = text.partition(",")
    if head in registry.names("teachers"):
        if comma:
            raise InputError(f"--teacher {head} takes no options; write --teacher {head}")
        return text, TeacherSettings()
    registry.refuse_near_miss("teachers", head)
    model, settings = parse_model(text)
    if model.is_served:
        model = find_served(model, settings, "--teacher")
        _check_embeds(model, settings)
    return str(model), settings


def find_served(model: TeacherModel, settings: TeacherSettings, flag: str) -> TeacherModel:
    """The model under the name that its server gives it. Raises InputError."""
    if not settings.url:
        raise InputError(
            f"{flag} {SERVED}{model.name} names no server: write {flag} http://HOST:8001/v1,model={model.name}"
        )
    (found,) = discover([Endpoint(url=settings.url, model=model.name)])
    return model.model_copy(update={"name": found.model})


def check_same(recipe: str, text: str) -> TeacherSettings:
    """How another flag reaches the teacher that a recipe names; InputError where it is another one.

    Options that change scores need not be repeated.
    """
    wanted, _ = parse_model(recipe)
    given, _ = parse_model(text)
    if wanted.is_served and given.is_served and not given.name:
        text = f"{text},model={wanted.name}"
    name, settings = reach_teacher(text)
    reached, _ = parse_model(name)
    if reached != wanted and reached != TeacherModel(name=wanted.name, is_served=wanted.is_served):
        raise InputError(
            f"the run was begun with the teacher {recipe!r} and can't go on with {name!r}: name a server or folder of the same model, or start another run"
        )
    return settings


def _check_embeds(model: TeacherModel, settings: TeacherSettings) -> None:
    """Whether there is a route for it; what may pass, such as a busy server, is left to those who ask later."""
    question = orjson.dumps({"model": model.name, "input": ["Does this server embed?"]})
    try:
        status, body = fetch(f"{settings.url}/embeddings", question)
    except InputError:
        return
    if status in (400, 404, 405, 501):
        raise InputError(
            f"{settings.url} serves {model.name!r} and does not embed with it (HTTP {status}{f': {said}' if (said := said_by(body)) else ''}); a model that writes (a chat model) or ranks can't be the teacher: name the server of an embedding model (vllm serve MODEL --runner pooling)"
        )


def _escape(value: object) -> str:
    return str(value).replace("\n", "\\n")
