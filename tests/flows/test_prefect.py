"""Against a real Prefect server, and against Prefect's temporary one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from synth.recipe import Choices, resolve
from synth.run import Run, create_run, execute
from synth.store import Store, VersionRef
from synth.update import as_update

pytestmark = pytest.mark.slow

RunPython = Callable[[str, Mapping[str, str], str], subprocess.CompletedProcess[str]]

RUN = """
import sys
from pathlib import Path
from flows.generate import run_with_prefect
from prefect.task_runners import ProcessPoolTaskRunner
from synth.run import Run
from synth.store import Store
root, run_id, processes = sys.argv[1].split("|")
runner = ProcessPoolTaskRunner(max_workers=int(processes)) if processes else None
print(run_with_prefect(Run(Store(Path(root)), run_id), runner).manifest.content_sha256)
"""
FAIL = """
import sys
from flows.generate import generate_flow
from flows.parameters import GenerateParameters
generate_flow(GenerateParameters(domain="finance", documents=["/no/such/folder"], store=sys.argv[1]))
"""
SERVE = """
import sys
from synth.cli.serve import serve
serve(["finance"], limit=60, cron="0 3 * * *", store=sys.argv[1], deployment_name="nightly")
"""


def run_argument(run: Run, processes: str = "") -> str:
    return f"{run.store.root}|{run.id}|{processes}"


def ask(environment: Mapping[str, str], path: str, body: Mapping[str, Any]) -> Any:
    response = httpx.post(f"{environment['PREFECT_API_URL']}/{path}", json=body, timeout=20)
    response.raise_for_status()
    return response.json()


def wait_for(what: str, look: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.3)
    pytest.fail(f"{what} did not happen within {seconds} seconds")


def flow_runs(environment: Mapping[str, str], run_id: str) -> list[dict[str, Any]]:
    runs = ask(environment, "flow_runs/filter", {})
    return [run for run in runs if run["parameters"]["parameters"]["run_id"] == run_id]


def task_names(environment: Mapping[str, str], flow_run: str, state: str) -> list[str]:
    body = {"flow_runs": {"id": {"any_": [flow_run]}}}
    return sorted(task["name"] for task in ask(environment, "task_runs/filter", body) if task["state_type"] == state)


SHARDS = ["shard 0-250", "shard 250-500", "shard 500-750", "shard 750-1000"]


def test_a_flow_publishes_what_the_engine_publishes_and_shows_it(
    server: dict[str, str], run_python: RunPython, new_run: Callable[[], Run], in_process: VersionRef
) -> None:
    run = new_run()
    done = run_python(RUN, server, run_argument(run))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == in_process.manifest.content_sha256
    [flow_run] = flow_runs(server, run.id)
    assert (flow_run["name"], flow_run["state_type"]) == ("generate finance", "COMPLETED")
    wait_for("recording the task runs", lambda: task_names(server, flow_run["id"], "COMPLETED") == SHARDS, 30)
    artifacts = {artifact["key"]: artifact for artifact in ask(server, "artifacts/filter", {})}
    assert artifacts["synth-funnel-finance"]["flow_run_id"] == flow_run["id"]
    assert str(run.store.root) in artifacts["synth-version-finance"]["data"]
    assert run.store.catalog.exists()


def test_tasks_in_processes_of_their_own_make_the_same(
    server: dict[str, str], run_python: RunPython, new_run: Callable[[], Run], in_process: VersionRef
) -> None:
    done = run_python(RUN, server, run_argument(new_run(), "2"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == in_process.manifest.content_sha256


def test_an_update_in_processes_of_their_own_makes_the_same(
    server: dict[str, str], run_python: RunPython, tmp_path: Path
) -> None:
    documents, hashes = tmp_path / "documents", []
    documents.mkdir()
    for name in ("flow", "engine"):
        store = Store(tmp_path / name)
        for number in range(6):
            (documents / f"{number}.txt").write_text(_letter(number))
        execute(create_run(resolve(Choices("finance", documents=(documents,))), store))
        (documents / "3.txt").write_text(_letter(33))
        (documents / "5.txt").unlink()
        resolved = as_update(resolve(Choices("finance", documents=(documents,))), store, update=True)
        run = create_run(resolved, store, shard_size=5)
        if name == "engine":
            hashes.append(execute(run).manifest.content_sha256)
        else:
            done = run_python(RUN, server, run_argument(run, "2"))
            assert done.returncode == 0, done.stderr
            hashes.append(done.stdout.strip())
            assert store.find("finance").manifest.parent == "finance@1"
    assert len(set(hashes)) == 1


def _letter(number: int) -> str:
    words = ("covenant", "refinanced", "pension", "goodwill", "copper", "dividend", "auditor", "lease")
    return " ".join(
        f"In letter {number} the {words[(number + n) % 8]} of part {n * number} was {words[n % 8]} for {n * 97 + number} euros."
        for n in range(12)
    )


def test_a_flow_fails_with_the_one_sentence(server: dict[str, str], run_python: RunPython, tmp_path: Path) -> None:
    done = run_python(FAIL, server, str(tmp_path))
    assert done.returncode == 1
    assert "synth.errors.DocumentError: /no/such/folder" in done.stderr
    failed = ask(server, "flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}})
    assert [run["state"]["message"] for run in failed] == ["/no/such/folder does not exist"]


@pytest.fixture
def serving(server: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVE, str(tmp_path / "store")]
    environment = {**server, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()


def test_serve_registers_a_schedule_runs_when_asked_and_stops_on_sigterm(
    server: dict[str, str], serving: subprocess.Popen[str], tmp_path: Path, in_process: VersionRef
) -> None:
    def registered() -> Any:
        assert serving.poll() is None, serving.communicate()
        found = ask(server, "deployments/filter", {})
        return found[0] if found and found[0]["status"] == "READY" else None

    deployment = wait_for("registering", registered)
    assert (deployment["name"], deployment["paused"]) == ("nightly", False)
    assert [schedule["schedule"]["cron"] for schedule in deployment["schedules"]] == ["0 3 * * *"]
    assert deployment["global_concurrency_limit"]["limit"] == 1
    upcoming = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    wait_for("planning the runs of the schedule", lambda: ask(server, "flow_runs/filter", upcoming))

    started = ask(server, f"deployments/{deployment['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})
    wait_for(
        "the run that was asked for",
        lambda: httpx.get(f"{server['PREFECT_API_URL']}/flow_runs/{started['id']}").json()["state_type"] == "COMPLETED",
    )
    assert Store(tmp_path / "store").find("finance").manifest.content_sha256 == in_process.manifest.content_sha256

    serving.send_signal(signal.SIGTERM)
    stdout, stderr = serving.communicate(timeout=30)
    assert (serving.returncode, stdout) == (0, "")
    assert f"{server['PREFECT_API_URL'].removesuffix('/api')}/deployments/deployment/{deployment['id']}" in stderr
    assert "Stopped" in stderr
    assert ask(server, "deployments/filter", {})[0]["paused"] is True


def test_without_a_server_prefect_starts_a_temporary_one(
    environment: dict[str, str], run_python: RunPython, new_run: Callable[[], Run], in_process: VersionRef
) -> None:
    done = run_python(RUN, environment, run_argument(new_run()))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == in_process.manifest.content_sha256
