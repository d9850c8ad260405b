"""Which Prefect server is used, and whether it answers."""

from __future__ import annotations

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from synth.errors import InputError

HOW_TO_START = "start one with `prefect server start` and set PREFECT_API_URL=http://127.0.0.1:4200/api"


def find_server() -> str | None:
    """The API's URL from the environment or the Prefect profile; None means a temporary server."""
    return get_current_settings().api.url


def check_server() -> None:
    """InputError when a server is configured but does not answer, or not to us."""
    url = find_server()
    if url is None:
        return
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
        if problem is None and _is_refused(client):
            raise InputError(
                f"the Prefect server at {url} refuses us; set PREFECT_API_AUTH_STRING to the USER:PASSWORD that it was started with"
            )
    if problem is not None:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise InputError(f"the Prefect server at {url} does not answer ({reason}); {HOW_TO_START}")


def _is_refused(client: SyncPrefectClient) -> bool:
    """Whether the server asks for a password that we don't have; its health it tells everybody."""
    try:
        client.hello()
    except PrefectHTTPStatusError as error:
        return error.response.status_code in (401, 403)
    return False


def require_server(verb: str = "synth serve") -> None:
    """InputError when no server that outlives this process is configured, or it does not answer."""
    if find_server() is None:
        raise InputError(f"`{verb}` needs a Prefect server that keeps running; {HOW_TO_START}")
    check_server()


def ui_url() -> str:
    """Where people look at the server's runs."""
    settings = get_current_settings()
    return str(settings.ui_url or (settings.api.url or "").removesuffix("/api"))
