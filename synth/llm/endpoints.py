"""Which servers are asked, for which model, and what a server says of itself."""

from __future__ import annotations

import math
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import Field

from schemas.base import Strict
from schemas.recipe import ModelChoice
from synth.errors import InputError, suggest

KEY_VARIABLES = ("SYNTH_LLM_API_KEY", "VLLM_API_KEY")
"""Where an API key may stand; it is never taken from a flag, a file or a URL."""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses without the proxies of the environment, which the client does not use either."""
_ROUTES = ("/chat/completions", "/embeddings", "/score")
_PATIENCE = 10.0
"""Seconds a server has to say which models it serves."""


class Endpoint(Strict):
    """An OpenAI-compatible server: what `--llm` names, stored in run.json. Holds no secret."""

    url: str
    """Up to and including `/v1`."""
    model: str = ""
    """Name the server knows the model by; empty until the server was asked."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Share of the items that its model is drawn for."""
    tasks: list[str] = []
    """Tasks its model writes for; empty for all."""
    context: int = 0
    """Tokens of prompt and answer together; 0 where the server does not say."""
    revision: str = ""

    @property
    def root(self) -> str:
        """The server itself, where /health and /metrics are."""
        return self.url.removesuffix("/v1")


def parse_endpoint(text: str) -> Endpoint:
    """An `--llm` flag: `URL[,model=NAME][,weight=NUMBER][,task=NAME]…`. Raises InputError.

    >>> parse_endpoint("http://gpu1:8000,weight=3").url
    'http://gpu1:8000/v1'
    """
    url, *options = text.split(",")
    address = parse_address(url, text)
    fields = parse_options(options, text, known=("model", "weight", "task"))
    return Endpoint(url=address, **fields)


def parse_address(url: str, text: str, flag: str = "--llm") -> str:
    """The address of a server up to and including `/v1`; `text` is all that stands behind the flag. Raises InputError."""
    parts = urlsplit(url.strip())
    if "@" in text or parts.query or parts.fragment:
        raise InputError(
            f"{flag} takes an address without user, password or parameters: put an API key into {KEY_VARIABLES[0]}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        ours = ", or vllm:MODEL to start one" if flag == "--llm" else ""
        raise InputError(f"{flag} {text!r}: write http://HOST:PORT/v1 for a running server{ours}")
    path = parts.path.rstrip("/")
    for route in _ROUTES:
        path = path.removesuffix(route)
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def parse_options(
    options: Sequence[str], text: str, known: Sequence[str], *, flag: str = "--llm", verbatim: Sequence[str] = ()
) -> dict[str, Any]:
    """`weight=2`, `task=NAME` and so on as fields; InputError names what is wrong in the flag `text`.

    `verbatim` names the options whose value may be empty, and whose blanks count.
    """
    fields: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        name, value = name.strip(), value if name.strip() in verbatim else value.strip()
        if name not in known or not (value or (equals and name in verbatim)):
            raise InputError(
                f"{flag} {text.split(',')[0]}: the option {name!r} is not understood or has no value{suggest(name, known)}; write it like {known[0]}=VALUE"
            )
        if name == "task":
            fields.setdefault("tasks", []).append(value)
        elif name == "weight":
            fields["weight"] = _weight(value, text)
        else:
            fields[name] = value
    return fields


def _weight(value: str, text: str) -> float:
    try:
        weight = float(value)
    except ValueError:
        weight = 0.0
    if not 0 < weight < math.inf:
        raise InputError(f"--llm {text!r}: a weight is a number above 0, not {value!r}")
    return weight


def api_key() -> str | None:
    """The key from the environment, if there is one. Raises InputError without repeating it."""
    for name in KEY_VARIABLES:
        key = os.environ.get(name, "").strip()
        if key and not (key.isascii() and key.isprintable()):
            raise InputError(f"{name} holds characters that no API key has; set it again")
        if key:
            return key
    return None


def auth_headers() -> dict[str, str]:
    """The header that carries the key."""
    key = api_key()
    return {"Authorization": f"Bearer {key}"} if key else {}


def discover(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """The same endpoints with the model that each serves, as `/v1/models` says. Raises InputError."""
    if not endpoints:
        return []
    with ThreadPoolExecutor(max_workers=16) as pool:
        return list(pool.map(_discover, endpoints))


def _discover(endpoint: Endpoint) -> Endpoint:
    status, body = fetch(f"{endpoint.url}/models")
    if status in (401, 403):
        raise InputError(
            f"{endpoint.url} refuses the API key (HTTP {status}); put the right one into {KEY_VARIABLES[0]}"
        )
    try:
        served = {model["id"]: model for model in orjson.loads(body)["data"]} if status == 200 else {}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        served = {}
    if not served:
        raise InputError(
            f"{endpoint.url}/models answers HTTP {status} and lists no model; give the address of an OpenAI-compatible server, such as http://HOST:8000/v1"
        )
    name = endpoint.model or next(iter(served))
    if name not in served:
        raise InputError(f"{endpoint.url} does not serve the model {name!r}{suggest(name, served)}")
    return endpoint.model_copy(update={"model": name, "context": int(served[name].get("max_model_len") or 0)})


def fetch(address: str, body: bytes | None = None, patience: float = _PATIENCE) -> tuple[int, bytes]:
    """Status and body of a GET, or of a POST of JSON. Raises InputError where nothing answers for `patience` seconds."""
    headers = {**auth_headers(), "Content-Type": "application/json"}
    request = urllib.request.Request(address, data=body, headers=headers)
    try:
        with DIRECT.open(request, timeout=patience) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (urllib.error.URLError, OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)
        reason = getattr(cause, "strerror", None) or str(cause) or type(error).__name__
        raise InputError(
            f"{address} does not answer ({reason}); is the server running, and the address right?"
        ) from error


def choose_models(named: Iterable[tuple[str, Sequence[str], float]]) -> list[ModelChoice]:
    """The models that a recipe draws from, out of (name, tasks, weight); weights of one model add up."""
    chosen: dict[tuple[str, tuple[str, ...]], float] = {}
    for name, tasks, weight in named:
        key = (name, tuple(sorted(tasks)))
        chosen[key] = chosen.get(key, 0.0) + weight
    return [
        ModelChoice(name=name, weight=weight, tasks=list(tasks)) for (name, tasks), weight in sorted(chosen.items())
    ]
