"""How the LLM of a run is reached and what it may spend: part of run.json, never of the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.recipe import ModelChoice
from synth.llm.budget import Budget
from synth.llm.endpoints import Endpoint, choose_models, discover, parse_endpoint
from synth.llm.server import PREFIX, Served, parse_served


class LlmSettings(Strict):
    """Servers, deadline and budget. Holds no secret: keys come from the environment."""

    endpoints: list[Endpoint] = []
    served: list[Served] = []
    """Models that synth starts a vLLM for when the first request is due."""
    request_timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds after which a request is given up and sent again."""
    budget: Budget = Budget()
    metrics_port: int | None = None

    @property
    def models(self) -> list[ModelChoice]:
        """What a recipe draws from."""
        running = [(endpoint.model, endpoint.tasks, endpoint.weight) for endpoint in self.endpoints]
        ours = [(served.name, served.tasks, served.weight) for served in self.served]
        return choose_models([*running, *ours])

    @property
    def revisions(self) -> dict[str, str]:
        """Revision of each model; '' where it is not known."""
        running = {endpoint.model: endpoint.revision for endpoint in self.endpoints}
        return running | {served.name: served.revision for served in self.served}


def reach(flags: Sequence[str]) -> LlmSettings:
    """Settings from `--llm` flags; running servers are asked for their models. Raises InputError."""
    return LlmSettings(
        endpoints=discover([parse_endpoint(flag) for flag in flags if not flag.startswith(PREFIX)]),
        served=[parse_served(flag) for flag in flags if flag.startswith(PREFIX)],
    )
