"""How far a stage of a flow run is: a progress artifact each, told to the server from a thread of its own."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectHTTPStatusError

from flows.names import artifact_key

PERIOD = 2.0
"""Seconds between two updates; a server that is slow or away holds up nothing but them."""


class Stage:
    """One stage; counts may come from any thread."""

    def __init__(self, name: str, total: int | None) -> None:
        self.name, self.total = name, total
        self.done = 0
        self.is_over = False
        self.artifact: UUID | None = None
        self.told = -1.0

    @property
    def percent(self) -> float:
        """0 to 100; a stage of which nobody knows the length is at 0 until it is over."""
        if self.is_over:
            return 100.0
        return min(99.0, 100.0 * self.done / self.total) if self.total else 0.0


class ProgressBoard:
    """Progress artifacts of a flow run, `synth-STAGE-DATASET`: `with ProgressBoard(…) as board: board.begin(…)`."""

    def __init__(self, flow_run_id: UUID | None, dataset: str) -> None:
        self._flow_run_id, self._dataset = flow_run_id, dataset
        self.stages: list[Stage] = []
        """In the order in which they began last."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tell_on, name="synth-progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._end_last()
        self._stop.set()
        self._thread.join(timeout=10.0)

    def begin(self, name: str, total: int | None) -> None:
        """The stage before it is over. A stage that comes again, as making items does, goes on in its artifact."""
        with self._lock:
            self._end_last()
            known = next((stage for stage in self.stages if stage.name == name), None)
            if known is None:
                self.stages.append(Stage(name, total))
                return
            known.is_over = False
            known.total = known.done + total if total else None
            self.stages.append(self.stages.pop(self.stages.index(known)))

    def advance(self, amount: int) -> None:
        """So many more of what the stage counts."""
        with self._lock:
            if self.stages:
                self.stages[-1].done += amount

    def _end_last(self) -> None:
        if self.stages:
            self.stages[-1].is_over = True

    def _tell_on(self) -> None:
        with get_client(sync_client=True) as client:
            while not self._stop.wait(PERIOD):
                self._tell_all(client)
            self._tell_all(client)

    def _tell_all(self, client: SyncPrefectClient) -> None:
        with self._lock:
            news = [(stage, stage.percent) for stage in self.stages if stage.percent != stage.told]
        try:
            for stage, percent in news:
                self._tell(client, stage, percent)
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            logging.getLogger("flows").warning("the Prefect server was not told how far the run is: %s", error)

    def _tell(self, client: SyncPrefectClient, stage: Stage, percent: float) -> None:
        if stage.artifact is None:
            made = ArtifactCreate(
                type="progress",
                key=artifact_key(stage.name, self._dataset),
                description=f"{stage.name} of {self._dataset}",
                data=percent,
                flow_run_id=self._flow_run_id,
            )
            stage.artifact = client.create_artifact(made).id
        else:
            client.update_artifact(stage.artifact, ArtifactUpdate(data=percent))
        stage.told = percent
