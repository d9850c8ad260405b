"""A server that writes: does it answer, with which model, how much fits, does it keep to a schema, how fast?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson

from schemas.recipe import SamplingSettings
from synth.doctor.domain import longest_request
from synth.doctor.finding import Finding, broken, ok, warning
from synth.doctor.structured import Puzzle, ask
from synth.domains import LoadedDomain
from synth.errors import InputError
from synth.llm.answers import Bad, Completion
from synth.llm.endpoints import KEY_VARIABLES, Endpoint, api_key, discover, fetch, parse_endpoint
from synth.llm.metrics import parse_metrics
from synth.preflight import CHARS_PER_TOKEN, ask_count, count_tokens

SLOW = 10.0
"""Seconds for a few tokens that ask for an explanation."""
_SHORTEST = 1.0
_GUESS_SECONDS = 3.0
_SHARE = 0.8
"""Of the time that a check may take, what the model's answers may: the rest is for saying what became of them."""
_ENFORCING = "take a server that enforces them, such as vLLM, SGLang or llama.cpp; with this one, an answer in another form is asked for again and then lost"


def examine_endpoint(flag: str, loaded: LoadedDomain | None, timeout: float) -> Iterator[Finding]:
    """All that is asked of the server of an `--llm` flag; one that does not answer is not asked for more."""
    endpoint = parse_endpoint(flag)
    if problem := check_reachable(endpoint):
        yield problem
        return
    (found,) = discover([endpoint])
    yield ok("model", f"{found.model}{_also(found)}")
    yield check_context(found, loaded)
    sampling = loaded.domain.sampling if loaded else SamplingSettings()
    structured, seconds = check_structured(found, sampling, _SHARE * timeout)
    yield structured
    if seconds is not None:
        yield check_latency(seconds)
    yield check_metrics(found)


def check_reachable(endpoint: Endpoint, flag: str = "--llm", name: str = "model") -> Finding | None:
    """What is wrong with the address or the key; None where models are listed."""
    listed = f"{endpoint.url}/models"
    try:
        status, _ = fetch(listed)
    except InputError as error:
        said, better = str(error).rpartition("; ")[0], _with_other_scheme(endpoint.url)
        if _lists_models(better):
            return broken(name, said, f"{flag} {better}")
        return broken(name, said, f"start the server or correct the address: `curl {listed}` must list a model")
    if status in (401, 403):
        key = "the key in the environment is not its key" if api_key() else "no key is in the environment"
        return broken(name, f"{endpoint.url} wants an API key (HTTP {status}); {key}", f"export {KEY_VARIABLES[0]}=…")
    if status == 200:
        return None
    if better := _listed_elsewhere(endpoint):
        return broken(name, f"{listed} answers HTTP {status}", f"{flag} {better}")
    fix = f"give the address of an OpenAI-compatible server up to and including /v1: {flag} http://HOST:8000/v1"
    return broken(name, f"{listed} answers HTTP {status}", fix)


def _listed_elsewhere(endpoint: Endpoint) -> str:
    """An address near to one that lists no models, which does; '' for none."""
    parts = urlsplit(endpoint.url)
    origin = f"{parts.scheme}://{parts.netloc}"
    near = [
        f"{endpoint.url}/v1",
        f"{origin}/v1",
        origin + parts.path.rpartition("/")[0],
        _with_other_scheme(endpoint.url),
    ]
    return next((address for address in dict.fromkeys(near) if address != endpoint.url and _lists_models(address)), "")


def _with_other_scheme(url: str) -> str:
    return url.replace("https:", "http:", 1) if url.startswith("https:") else url.replace("http:", "https:", 1)


def _lists_models(url: str) -> bool:
    try:
        status, body = fetch(f"{url}/models", patience=_GUESS_SECONDS)
        return status == 200 and bool(orjson.loads(body)["data"])
    except (InputError, orjson.JSONDecodeError, KeyError, TypeError):
        return False


def _also(endpoint: Endpoint) -> str:
    """The other models of the server."""
    _, body = fetch(f"{endpoint.url}/models")
    others = [model["id"] for model in orjson.loads(body)["data"] if model["id"] != endpoint.model]
    return (
        f" (also: {', '.join(others[:3])}{' …' if len(others) > 3 else ''}; choose with ,model=NAME)" if others else ""
    )


def check_context(endpoint: Endpoint, loaded: LoadedDomain | None) -> Finding:
    """Whether the longest request of the domain and its answer fit."""
    length = f"{endpoint.context:,} tokens" if endpoint.context else "the server does not say how long it is"
    if loaded is None:
        return warning(
            "context", f"{length}; not compared with requests, since the domain can't be read", "put the domain right"
        )
    try:
        messages = longest_request(loaded)
    except InputError as error:
        return warning("context", f"{length}; not compared with requests: {error}", "put the domain right")
    counted = ask_count(messages, endpoint) is not None
    prompt, answer = count_tokens(messages, endpoint if counted else None), loaded.domain.sampling.max_tokens
    how = "" if counted else f", estimated at {CHARS_PER_TOKEN} characters a token"
    need = f"the longest request of {loaded.domain.name} takes {prompt:,} and its answer up to {answer:,}{how}"
    if not endpoint.context:
        return warning("context", f"{length}; {need}", f"see that the server allows at least {prompt + answer:,}")
    if prompt + answer > endpoint.context:
        fix = f"serve it with --max-model-len {prompt + answer} or more, or lower chunk.max_chars or sampling.max_tokens in the domain file or with --config"
        return broken("context", f"{length}; {need}", fix)
    return ok("context", f"{length}; {need}")


def check_structured(endpoint: Endpoint, sampling: SamplingSettings, patience: float) -> tuple[Finding, float | None]:
    """Whether the schema of a request is enforced, by two questions with schemas of their own, and the seconds of the last answer.

    The first may wait for a grammar to be compiled. Both together have `patience` seconds.
    """
    until = time.monotonic() + patience
    for _ in range(2):
        puzzle, began = Puzzle.make(), time.monotonic()
        try:
            reply = ask(endpoint, puzzle, sampling, max(_SHORTEST, until - began))
        except InputError as error:
            said = str(error).rpartition("; ")[0]
            fix = f"look at the server's log; one that is only slow needs longer: synth doctor --timeout {5 * patience:.0f}"
            return broken("schema", said, fix), None
        if isinstance(reply, Bad):
            return _refused(endpoint, reply), None
        seconds, finding = time.monotonic() - began, judge(puzzle, reply, sampling.max_tokens)
        if finding.state != "ok":
            break
    return finding, seconds


def judge(puzzle: Puzzle, reply: Completion, most: int) -> Finding:
    """What an answer to a puzzle says of the server; `most` is how many tokens it may have."""
    if reply.finish_reason == "length":
        fix = "see that the model does not think first, and that grammars allow no blanks (docs/llm.md)"
        return broken("schema", f"an answer of a few words was not finished after {most:,} tokens", fix)
    verdict = puzzle.read(reply.content)
    if not verdict.has_form:
        said = f"the server takes response_format and does not enforce it: {verdict.wrong} ({reply.content[:40]!r})"
        return broken("schema", said, _ENFORCING)
    if verdict.wrong:
        said = f"the form of answers is kept, and not {verdict.wrong}: perhaps the server only shows the schema to its model"
        fix = "see how the server enforces schemas (docs/llm.md); an answer beyond a bound is asked for again, which costs requests"
        return warning("schema", said, fix)
    return ok("schema", "enforced: answers kept to made-up schemas that no model would keep to by chance")


def _refused(endpoint: Endpoint, reply: Bad) -> Finding:
    if reply.detail.startswith(("HTTP 404", "HTTP 405")):
        fix = "name a server of a chat model; one of an embedding model belongs to --teacher"
        return broken("schema", f"{endpoint.url}/chat/completions is not there ({reply.detail})", fix)
    if reply.reason == "overloaded":
        return warning(
            "schema", f"the server is too busy to answer ({reply.detail})", "try again later; a run waits for it"
        )
    return broken("schema", f"a request with a schema is refused ({reply.detail})", _ENFORCING)


def check_latency(seconds: float) -> Finding:
    """Of one short answer, by itself."""
    if seconds > SLOW:
        fix = "see whether it is busy or runs on a CPU; `synth plan --llm URL` says how long a run would take"
        return warning("latency", f"{seconds:.0f} s for an answer of a few words", fix)
    return ok("latency", f"{seconds:.2f} s for an answer of a few words")


def check_metrics(endpoint: Endpoint) -> Finding:
    """Whether the client can see how busy the server is."""
    try:
        status, body = fetch(f"{endpoint.root}/metrics")
    except InputError:
        status, body = 0, b""
    load = parse_metrics(body.decode("utf-8", "replace")) if status == 200 else None
    if load is None:
        return ok("metrics", "no /metrics of vLLM; the client finds out by trial how many requests the server can use")
    return ok(
        "metrics",
        f"/metrics says that {load.running} requests run and {load.waiting} wait; the client fills the server by it",
    )
