"""One process at a time works on a run: a lease with a heartbeat."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from schemas.base import Strict
from synth.errors import RunBusy
from synth.files import write_model

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0


class Holder(Strict):
    """Who works on a run, and when they were last alive (seconds since the epoch)."""

    host: str
    pid: int
    heartbeat: float


class Lease:
    """Held while a run is worked on: `with Lease(folder): …`. Raises RunBusy when taken.

    A lease is stale when its process is gone from this host, or when it was silent for 60
    seconds on another one.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lease.json"
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        holder = read_holder(self._path)
        if holder is not None and is_alive(holder):
            raise RunBusy(
                f"the run {self._path.parent.name} is being worked on by process {holder.pid} on {holder.host}; wait for it, or stop it and run `synth resume` again"
            )
        self._set_aside()
        self._claim()
        self._beat = threading.Thread(target=self._keep_alive, daemon=True)
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._beat.join()
        self._path.unlink(missing_ok=True)

    def _set_aside(self) -> None:
        grave = self._path.with_name(f".stale-{os.getpid()}-{time.monotonic_ns()}")
        try:
            os.rename(self._path, grave)
            moved = read_holder(grave)
            if moved is not None and is_alive(moved):
                with suppress(FileExistsError):
                    os.link(grave, self._path)
                grave.unlink()
                raise RunBusy(f"another process has just taken the run {self._path.parent.name}")
            grave.unlink()
        except FileNotFoundError:
            pass

    def _claim(self) -> None:
        """A hard link appears whole or not at all: it decides between two who found the lease free."""
        ticket = self._path.with_name(f".lease-{os.getpid()}-{time.monotonic_ns()}")
        write_model(ticket, _holder())
        try:
            os.link(ticket, self._path)
        except FileExistsError as error:
            raise RunBusy(f"another process has just taken the run {self._path.parent.name}") from error
        finally:
            ticket.unlink()

    def _keep_alive(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            write_model(self._path, _holder())


def _holder() -> Holder:
    return Holder(host=socket.gethostname(), pid=os.getpid(), heartbeat=time.time())


def read_holder(path: Path) -> Holder | None:
    """Who holds the lease in `path`; nobody where there is none, or a damaged one."""
    try:
        return Holder.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def is_alive(holder: Holder) -> bool:
    """Whether the holder still works: its process exists here, or it was heard of lately."""
    if holder.host != socket.gethostname() or holder.pid == os.getpid():
        return time.time() - holder.heartbeat < STALE_SECONDS
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
