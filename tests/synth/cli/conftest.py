from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that says what is wrong; before it there may only be names of stages."""
        *stages, last = self.err.splitlines()
        assert last.startswith("Error: ")
        assert not [line for line in stages if "Error" in line or "Traceback" in line]
        assert self.err.endswith("\n")
        assert self.out == ""
        return last


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SYNTH_STORE", "PREFECT_API_URL", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `synth ARGUMENTS` in this process, as the console script does."""
    from synth.cli import main

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["synth", *map(str, arguments)])
        capsys.readouterr()
        code: Any = 0
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        return Outcome(code or 0, printed.out, printed.err)

    return run


class Process:
    """`synth ARGUMENTS` in a process of its own, which can be followed and killed."""

    def __init__(self, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "import sys; from synth.cli import main; sys.exit(main())", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.said: list[str] = []

    def wait_for(self, *beginnings: str) -> bool:
        """Until it says a line that begins so, such as a stage; False when it ended without."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line)
            if line.startswith(beginnings):
                return True
        return False

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> Outcome:
        out, err = self._process.communicate(timeout=60)
        return Outcome(self._process.returncode, out, "".join(self.said) + err)

    def kill(self) -> Outcome:
        self._process.kill()
        return self.end()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start `synth ARGUMENTS`; nothing that was started outlives the test."""
    started: list[Process] = []

    def begin(*arguments: object) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield begin
    for process in started:
        process.send(signal.SIGCONT)
        process.kill()


@pytest.fixture
def documents(tmp_path: Path, make_texts: Callable[..., dict[str, str]], write_rows: Callable[..., Path]) -> Path:
    """A file of small documents."""
    return write_rows(tmp_path / "documents.jsonl", make_texts())
