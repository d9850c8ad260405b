from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth import lease
from synth.errors import RunBusy
from synth.files import write_model
from synth.lease import STALE_SECONDS, Holder, Lease, read_holder

HOLD = """
import sys, time
from pathlib import Path
from synth.lease import Lease
with Lease(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease of `tmp_path` until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def leave_behind(folder: Path, *, host: str, pid: int, silent: float) -> None:
    write_model(folder / "lease.json", Holder(host=host, pid=pid, heartbeat=time.time() - silent))


def take(folder: Path) -> None:
    with Lease(folder):
        holder = read_holder(folder / "lease.json")
        assert holder is not None
        assert (holder.host, holder.pid) == (socket.gethostname(), os.getpid())


def test_a_lease_is_given_back_at_the_end(tmp_path: Path) -> None:
    take(tmp_path)
    take(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_lease_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="work failed"), Lease(tmp_path):
        raise RuntimeError("work failed")
    take(tmp_path)


def test_a_run_that_is_worked_on_is_refused_to_a_second_process(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    held = (tmp_path / "lease.json").read_bytes()
    with pytest.raises(
        RunBusy, match=rf"the run {tmp_path.name} is being worked on by process {other.pid} on .*resume"
    ):
        take(tmp_path)
    assert (tmp_path / "lease.json").read_bytes() == held
    other.communicate("")
    take(tmp_path)


def test_a_lease_is_taken_over_from_a_process_that_was_killed(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert (tmp_path / "lease.json").exists()
    take(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_second_lease_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with Lease(tmp_path), pytest.raises(RunBusy):
        take(tmp_path)


def test_another_host_is_believed_until_it_was_silent_for_a_minute(tmp_path: Path) -> None:
    leave_behind(tmp_path, host="elsewhere", pid=1, silent=STALE_SECONDS - 20)
    with pytest.raises(RunBusy, match="process 1 on elsewhere"):
        take(tmp_path)
    leave_behind(tmp_path, host="elsewhere", pid=1, silent=STALE_SECONDS + 1)
    take(tmp_path)


def test_a_new_process_with_the_pid_of_the_dead_one_takes_over(tmp_path: Path) -> None:
    """A container that restarts has the same host name and often the same process id."""
    leave_behind(tmp_path, host=socket.gethostname(), pid=os.getpid(), silent=3600)
    take(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become two other users")
def test_a_process_of_another_user_is_alive() -> None:
    theirs = subprocess.Popen(["sleep", "60"], user=65534)
    os.seteuid(65533)
    try:
        assert lease.is_alive(Holder(host=socket.gethostname(), pid=theirs.pid, heartbeat=time.time()))
    finally:
        os.seteuid(0)
        theirs.kill()
        theirs.wait()


@pytest.mark.parametrize("content", [b"", b"{", b'{"host": "x"}'])
def test_a_damaged_lease_holds_nobody_off(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lease.json").write_bytes(content)
    take(tmp_path)


def test_the_heartbeat_is_renewed_while_the_lease_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.01)
    with Lease(tmp_path):
        first = read_holder(tmp_path / "lease.json")
        deadline = time.monotonic() + 20
        while read_holder(tmp_path / "lease.json") == first:
            assert time.monotonic() < deadline
    assert os.listdir(tmp_path) == []


def test_of_two_that_find_the_same_stale_lease_one_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second looked before the first took over, and acts after it."""
    leave_behind(tmp_path, host="elsewhere", pid=1, silent=3600)
    first, look = Lease(tmp_path), lease.is_alive

    def look_while_the_first_takes_over(holder: Holder) -> bool:
        monkeypatch.setattr(lease, "is_alive", look)
        alive = look(holder)
        first.__enter__()
        return alive

    monkeypatch.setattr(lease, "is_alive", look_while_the_first_takes_over)
    try:
        with pytest.raises(RunBusy):
            take(tmp_path)
        assert (tmp_path / "lease.json").exists()
    finally:
        first.__exit__(None, None, None)
