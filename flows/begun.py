"""Which flow run works on a run: runs/RUN_ID/flow.json, so that a run whose worker died is found again."""

from __future__ import annotations

import os
import socket
from typing import Annotated
from uuid import UUID

from prefect.runtime import deployment as current_deployment
from prefect.runtime import flow_run as current_flow_run
from pydantic import Field, ValidationError

from schemas.base import Strict
from synth.files import write_model
from synth.run import Run

_NAME = "flow.json"


class Begun(Strict):
    """The flow run, its deployment, and the process; no process where it has been ordered and not begun yet."""

    flow_run_id: UUID
    deployment_id: UUID | None = None
    host: str = ""
    pid: int = 0
    resumed: Annotated[int, Field(ge=0)] = 0
    """How often a flow run was ordered because the worker of the one before had died."""

    def write(self, run: Run) -> None:
        """Say so in the run's folder."""
        write_model(run.folder / _NAME, self)


def read_begun(run: Run) -> Begun | None:
    """None where no flow run has worked on it."""
    try:
        return Begun.model_validate_json((run.folder / _NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def mark_begun(run: Run) -> UUID | None:
    """Say that the current flow run works on `run`; returns its id, None outside of any."""
    flow_run_id, deployment_id = current_flow_run.get_id(), current_deployment.get_id()
    if flow_run_id is None:
        return None
    before = read_begun(run)
    Begun(
        flow_run_id=UUID(flow_run_id),
        deployment_id=UUID(deployment_id) if deployment_id else None,
        host=socket.gethostname(),
        pid=os.getpid(),
        resumed=before.resumed if before else 0,
    ).write(run)
    return UUID(flow_run_id)
