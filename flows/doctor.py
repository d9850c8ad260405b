"""What `synth doctor` asks of Prefect."""

from __future__ import annotations

import os

import prefect
from prefect.client.orchestration import get_client

from flows.server import HOW_TO_START, find_server
from synth.doctor.finding import Finding, broken, ok, warning

_KEYS = "export PREFECT_API_KEY=… (Prefect Cloud) or PREFECT_API_AUTH_STRING=… (a server of your own)"


def check_prefect() -> Finding:
    """The server that PREFECT_API_URL or the Prefect profile names, and whether it fits the client; none is needed."""
    url = find_server()
    if url is None:
        said = f"client {prefect.__version__}; PREFECT_API_URL is not set, so `synth generate` runs in its own process"
        return ok("prefect", said)
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
        if problem is None:
            return compare_versions(f"{url} answers", str(client.api_version()), prefect.__version__)
    return _explain(url, problem)


def _explain(url: str, problem: Exception) -> Finding:
    """Without a server in the environment `synth generate` runs all the same, and only `synth serve` does not."""
    status = getattr(getattr(problem, "response", None), "status_code", 0)
    reason = f"HTTP {status}" if status else next(iter(str(problem).splitlines()), "") or type(problem).__name__
    if os.environ.get("PREFECT_API_URL"):
        said, tell, leave = f"{url} does not answer as a Prefect API ({reason})", broken, "unset PREFECT_API_URL"
    else:
        said, tell = f"{url}, which the Prefect profile names, does not answer as a Prefect API ({reason})", warning
        leave = "prefect config unset PREFECT_API_URL"
    if status in (401, 403):
        return tell("prefect", said, _KEYS)
    return tell("prefect", said, f"{HOW_TO_START}; or do without: {leave}")


def compare_versions(told: str, server: str, client: str) -> Finding:
    """A server may be newer than its clients, but not older, nor of another major version."""
    ours, theirs = _numbers(client), _numbers(server)
    said, same = f"{told}; server {server}, client {client}", f"pip install 'prefect=={client}' where the server runs"
    if ours[0] != theirs[0]:
        return broken("prefect", f"{said}: they do not understand each other", same)
    if theirs < ours:
        return warning("prefect", f"{said}: the server may lack what its client asks for", same)
    return ok("prefect", said)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split(".") if part.isdigit()) or (0,)
