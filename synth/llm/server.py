"""A vLLM of our own: started with flags that suit this work, watched while it loads, always stopped."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

from pydantic import Field

from schemas.base import Strict
from synth.errors import InputError, RunError
from synth.llm.endpoints import DIRECT, Endpoint, parse_options
from synth.llm.install import find_vllm, has_gpu
from synth.progress import Reporter

PREFIX = "vllm:"
_SECRET_FLAGS = ("--api-key", "--hf-token")
_TAIL = 15
"""Lines of the log that an error quotes."""
_ERROR = re.compile(r"\b[A-Z]\w*(?:Error|Exception): (?!\[Errno).+")
_LOOK_EVERY = 0.5
_STOP_SECONDS = 30.0
_CPU_CACHE_GIB = "2"
"""Key-value cache of a server without a GPU, unless VLLM_CPU_KVCACHE_SPACE says otherwise."""


class Served(Strict):
    """A model that synth serves by itself: `--llm "vllm:MODEL[,weight=…][,task=…] [flags of vllm serve]"`."""

    model: Annotated[str, Field(min_length=1)]
    """Name on the Hugging Face Hub, or folder."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    tasks: list[str] = []
    revision: str = ""
    flags: list[str] = []

    @property
    def name(self) -> str:
        """What records call it: the folder's own name, never its path."""
        return self.folder.resolve().name if self.folder else self.model

    @property
    def folder(self) -> Path | None:
        """Where the model lies on this machine; None for one of the Hub."""
        path = Path(self.model).expanduser()
        return path if path.is_dir() else None


def parse_served(text: str) -> Served:
    """An `--llm` flag that begins with `vllm:`. Raises InputError."""
    try:
        first, *flags = shlex.split(text.removeprefix(PREFIX)) or [""]
    except ValueError as error:
        raise InputError(
            f'--llm {text!r}: write "vllm:MODEL", with flags of `vllm serve` after a space ({error})'
        ) from error
    for flag in flags:
        if flag.split("=")[0] in _SECRET_FLAGS:
            raise InputError(
                f"--llm vllm:…: {flag.split('=')[0]} would be written into the run; put the key into VLLM_API_KEY or HF_TOKEN in the environment"
            )
    model, *options = first.split(",")
    if not model:
        raise InputError(f"--llm {text!r} names no model: write vllm:MODEL, such as vllm:Qwen/Qwen3-8B")
    if model.startswith(("/", "./", "../", "~")) and not Path(model).expanduser().is_dir():
        raise InputError(
            f"--llm {text!r}: there is no folder {model}; give the folder of a model, or its name on the Hub"
        )
    fields = parse_options(options, text, known=("weight", "task", "revision"))
    return Served(model=model, flags=flags, **fields)


class VllmServer:
    """`with VllmServer(served, log, reporter) as endpoint: …`

    The server runs under `synth.llm.supervisor`, which ends it when this process ends, however that happens.
    """

    def __init__(self, served: Served, log: Path, reporter: Reporter) -> None:
        self._served, self._log, self._reporter = served, log, reporter
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Endpoint:
        vllm = find_vllm()
        port = _free_port()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        command = serve_command(vllm, self._served, port)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "synth.llm.supervisor", str(self._log), *command],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env=_environment(),
        )
        try:
            self._wait(port)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        served = self._served
        return Endpoint(
            url=f"http://127.0.0.1:{port}/v1",
            model=served.name,
            weight=served.weight,
            tasks=served.tasks,
            revision=served.revision,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def tail(self) -> str:
        """The last lines of the server's log."""
        return "\n".join(_lines(self._log)[-_TAIL:])

    def _wait(self, port: int) -> None:
        """Until /health answers; shows the log's last line meanwhile."""
        assert self._process is not None
        started = time.monotonic()
        self._reporter.note(f"starting vLLM with {self._served.model} (log: {self._log})")
        while not _is_healthy(port):
            if self._process.poll() is not None:
                cause = _cause(_lines(self._log))
                raise RunError(
                    f"vLLM ended while it was loading {self._served.model}{cause}; the end of {self._log}:\n{self.tail()}"
                )
            lines = _lines(self._log)
            self._reporter.status(f"{time.monotonic() - started:.0f} s: {lines[-1][:100] if lines else 'starting'}")
            time.sleep(_LOOK_EVERY)
        self._reporter.note(f"vLLM serves {self._served.name} after {time.monotonic() - started:.0f} s")


def serve_command(vllm: Path, served: Served, port: int) -> list[str]:
    """`vllm serve` with grammars that can't spin on white space, and no defaults of the model's own."""
    command = [str(vllm), "serve", str(served.folder or served.model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", served.name]
    command += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
    command += ["--generation-config", "vllm", "--disable-uvicorn-access-log", "--enable-prompt-tokens-details"]
    if served.revision:
        command += ["--revision", served.revision]
    if not has_gpu():
        command += ["--dtype", "float32", "--enforce-eager", "--block-size", "32"]
    return command + list(served.flags)


def _cause(lines: Sequence[str]) -> str:
    """The first error in a log: later ones only pass it on."""
    named = (found[0] for line in lines if (found := _ERROR.search(line)) and not line.lstrip("( ").startswith("raise"))
    return f" ({first[:300]})" if (first := next(named, "")) else ""


def _environment() -> dict[str, str]:
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    cpu = {} if has_gpu() else {"VLLM_CPU_KVCACHE_SPACE": os.environ.get("VLLM_CPU_KVCACHE_SPACE", _CPU_CACHE_GIB)}
    return {**os.environ, **quiet, **cpu}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: Any = found.getsockname()[1]
        return int(port)


def _is_healthy(port: int) -> bool:
    try:
        with DIRECT.open(f"http://127.0.0.1:{port}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, HTTPException):
        return False


def _lines(log: Path) -> Sequence[str]:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return [line for line in text.splitlines() if line.strip()]
