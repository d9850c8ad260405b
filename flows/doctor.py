"""What `synth doctor` asks of Prefect."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import prefect
from prefect.client.orchestration import get_client

from flows.server import HOW_TO_START, find_server
from synth.doctor.finding import Finding, broken, ok, warning

_KEYS = "PREFECT_API_KEY (Cloud) or PREFECT_API_AUTH_STRING (a server of your own)"


def check_prefect() -> Finding:
    """The server that PREFECT_API_URL or the profile names, and whether it fits the client; none is needed."""
    url = find_server()
    if url is None:
        return ok(
            "prefect",
            f"client {prefect.__version__}; PREFECT_API_URL is not set, so `synth generate` runs in its own process",
        )
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    by_profile = not os.environ.get("PREFECT_API_URL")
    told = f"{where}{' (of the Prefect profile)' if by_profile else ''}"
    with get_client(sync_client=True) as client:
        if problem := client.api_healthcheck():
            said = next(iter(str(problem).splitlines()), "") or type(problem).__name__
            fix = f"set {_KEYS}" if "401" in said or "403" in said else f"{HOW_TO_START}, or unset it"
            return (warning if by_profile else broken)("prefect", f"{told} does not answer ({said})", fix)
        return compare_versions(told, str(client.api_version()), prefect.__version__)


def compare_versions(told: str, server: str, client: str) -> Finding:
    """A server may be newer than its clients, and not older, nor of another major version."""
    ours, theirs = _numbers(client), _numbers(server)
    said = f"{told} answers, server {server}, client {client}"
    if ours[0] != theirs[0]:
        return broken(
            "prefect", said, f"make them of one major version: pip install 'prefect=={client}' where the server runs"
        )
    if theirs < ours:
        return warning(
            "prefect", f"{said}: the server is older", f"pip install 'prefect=={client}' where the server runs"
        )
    return ok("prefect", said)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split(".") if part.isdigit()) or (0,)
