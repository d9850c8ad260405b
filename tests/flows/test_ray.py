"""Two Ray nodes on this machine, reached as a cluster is, and a real Prefect server."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_embedder import Embedder
from fake_llm import FakeLlm, Say, always, fake_llm

from synth.llm.budget import Budget
from synth.llm.settings import reach
from synth.recipe import Choices, resolve
from synth.resuming import change_llm
from synth.run import Run, create_run, execute
from synth.store import Store, VersionRef

pytest.importorskip("ray")
pytest.importorskip("prefect_ray")
pytestmark = pytest.mark.slow

RunPython = Callable[[str, Mapping[str, str], str], subprocess.CompletedProcess[str]]

RUN = """
import sys
from pathlib import Path
from flows.generate import run_with_prefect
from synth.errors import SynthError
from synth.run import Run
from synth.store import Store
root, run_id, runner = sys.argv[1].split("|")
try:
    print(run_with_prefect(Run(Store(Path(root)), run_id), runner=runner).manifest.content_sha256)
except SynthError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(2)
"""

HIDDEN = RUN.replace(
    "try:",
    """
import os
os.dup2(os.open(root, os.O_RDONLY), 900)
root = "/proc/self/fd/900"  # a folder that other processes do not have
try:""",
)


class Nodes:
    """A head that makes nothing, and nodes of one core each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        head = {"num_cpus": 0, "include_dashboard": False, "ray_client_server_port": port}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.address = f"ray://127.0.0.1:{port}"
        self.nodes = [self.add(), self.add()]

    def add(self) -> Any:
        return self._cluster.add_node(num_cpus=1)

    def kill(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Nodes()
    try:
        yield nodes
    finally:
        nodes.close()


def argument(run: Run, runner: str) -> str:
    return f"{run.store.root}|{run.id}|{runner}"


def documents_in(folder: Path, count: int = 40) -> Path:
    folder.mkdir()
    words = ("covenant", "refinanced", "pension", "goodwill", "copper", "dividend", "auditor", "lease")
    for number in range(count):
        sentences = (
            f"In letter {number} the {words[(number + n) % 8]} of part {n * number} was {words[n % 8]} for {n * 97 + number} euros."
            for n in range(12)
        )
        (folder / f"{number}.txt").write_text(" ".join(sentences))
    return folder


def asking(store: Path, documents: Path, llm: FakeLlm, budget: Budget, *, teacher: str | None = None) -> Run:
    settings = reach([llm.url])
    choices = Choices("finance", documents=(documents,), models=tuple(settings.models), teacher=teacher)
    return create_run(resolve(choices), Store(store), shard_size=20, llm=settings.model_copy(update={"budget": budget}))


def slowly(prompt: str, asked: int) -> Say:
    said = always(prompt, asked)
    return replace(said, seconds=0.5)


def test_a_cluster_makes_what_one_process_makes(
    cluster: Nodes, server: dict[str, str], run_python: RunPython, new_run: Callable[[], Run], in_process: VersionRef
) -> None:
    run = new_run()
    done = run_python(RUN, server, argument(run, cluster.address))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == in_process.manifest.content_sha256
    assert not [
        path.name for path in run.folder.iterdir() if path.name.startswith((".seen", "stop", "asking", "budget"))
    ]


def test_passages_are_embedded_by_the_cluster_and_a_budget_is_kept_by_the_sum(
    cluster: Nodes, server: dict[str, str], run_python: RunPython, tmp_path: Path
) -> None:
    documents = documents_in(tmp_path / "documents")
    with fake_llm() as llm, fake_llm(embedder=Embedder()) as embedder:
        whole = execute(asking(tmp_path / "here", documents, llm, Budget(), teacher=embedder.url))
        before = len(llm.bodies)
        run = asking(tmp_path / "there", documents, llm, Budget(requests=90), teacher=embedder.url)
        done = run_python(RUN, server, argument(run, cluster.address))
        assert done.returncode == 0, done.stderr
        spent = len(llm.bodies) - before
        assert 60 <= spent <= 90
        assert run.result is None
        change_llm(run, None, {"budget": Budget()})
        done = run_python(RUN, server, argument(run, cluster.address))
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == whole.manifest.content_sha256
        assert len(llm.bodies) - before == before


def test_a_node_that_is_killed_in_mid_run_changes_nothing(
    cluster: Nodes, server: dict[str, str], run_python: RunPython, tmp_path: Path
) -> None:
    documents = documents_in(tmp_path / "documents")
    with fake_llm(script=slowly) as llm:
        expected = execute(asking(tmp_path / "here", documents, llm, Budget())).manifest.content_sha256
        run = asking(tmp_path / "there", documents, llm, Budget())

        def kill() -> None:
            while not list((run.folder / "items").glob("*.parquet")):
                time.sleep(0.05)
            cluster.kill(cluster.nodes.pop())

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        done = run_python(RUN, server, argument(run, cluster.address))
        assert done.returncode == 0, done.stderr
        killer.join(20)
        assert len(cluster.nodes) == 1
        assert done.stdout.strip() == expected


def test_a_node_that_does_not_see_the_run_is_refused_before_anything_is_made(
    cluster: Nodes, server: dict[str, str], run_python: RunPython, new_run: Callable[[], Run]
) -> None:
    run = new_run()
    done = run_python(HIDDEN, server, argument(run, cluster.address))
    assert done.returncode == 2
    assert "InputError" in done.stderr
    assert "does not see" in done.stderr
    assert not (run.folder / "items").exists()


def test_ray_of_this_machine_makes_the_same_and_leaves_no_process(
    server: dict[str, str], new_run: Callable[[], Run], in_process: VersionRef, tmp_path: Path
) -> None:
    run = new_run()
    command = [
        sys.executable,
        "-c",
        "from synth.cli import main; main()",
        "resume",
        run.id,
        "--store",
        str(run.store.root),
        "--runner",
        "ray",
    ]
    environment = {**server, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # not one in the home
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert run.store.find("finance").manifest.content_sha256 == in_process.manifest.content_sha256
    assert not any(f"PREFECT_API_URL={server['PREFECT_API_URL']}" in environ for environ in environments("raylet"))


def environments(name: str) -> Iterator[str]:
    """Of the running processes of a name."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if name in (process / "cmdline").read_text().split("\0")[0]:
                yield (process / "environ").read_text()
        except OSError:
            continue
