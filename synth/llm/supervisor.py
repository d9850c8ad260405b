"""Runs a command that must not outlive synth, not even when synth is killed with -9.

    python -m synth.llm.supervisor LOG COMMAND …

Standard input is a pipe whose other end synth holds and never writes to. When it closes, for
whatever reason, the command's whole process group is ended: SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from types import FrameType

GRACE_SECONDS = 15.0
_TICK = 0.5


def main(log: str, *command: str) -> int:
    """The command's exit status; 0 when it was ended because the pipe closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    with open(log, "ab", buffering=0) as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        while child.poll() is None:
            readable, _, _ = select.select([sys.stdin], [], [], _TICK)
            if readable and not os.read(sys.stdin.fileno(), 1):
                return 0
        return child.returncode
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the group, also what is left of it after its leader went."""
    for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
