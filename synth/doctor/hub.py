"""The login at the Hugging Face Hub."""

from __future__ import annotations

from synth.doctor.finding import Finding, broken, ok, warning
from synth.hub_read import look_at_login

_LOG_IN = "hf auth login, or export HF_TOKEN=…"


def check_hub() -> Finding:
    """Whether there is a token and the Hub takes it; none is needed for public models and datasets."""
    login = look_at_login()
    if login.is_offline:
        return ok(
            "hub", f"HF_HUB_OFFLINE is set, so nothing is asked of {login.endpoint}: what is in the cache is used"
        )
    if not login.source:
        if login.problem:
            fix = "see the network, a proxy or HF_ENDPOINT; without the Hub, models come from the cache or from folders"
            return warning("hub", f"{login.endpoint} can't be reached ({login.problem}); not logged in", fix)
        return ok(
            "hub", f"{login.endpoint} answers; not logged in, which only `synth push` and gated models need ({_LOG_IN})"
        )
    if login.is_refused:
        return broken(
            "hub", f"{login.endpoint} refuses the token of {login.source}", f"{_LOG_IN} (HF_TOKEN goes before a login)"
        )
    if login.problem:
        fix = "see the network, a proxy or HF_ENDPOINT; `synth push` would fail now"
        return warning(
            "hub", f"{login.endpoint} can't be asked about the token of {login.source} ({login.problem})", fix
        )
    told = f"{login.endpoint} knows {login.user} by the token of {login.source}"
    if login.role == "read":
        return ok("hub", f"{told}, which may read and not `synth push`")
    return ok("hub", told + (f" (role {login.role})" if login.role else ""))
