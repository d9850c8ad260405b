"""`synth serve` against a real Prefect server: what is scheduled runs, and what dies or is cancelled goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_llm import FakeLlm, Say, fake_llm, query_of
from prefect_server import PrefectServer, wait_for

from synth.llm.settings import reach
from synth.recipe import Choices, resolve
from synth.run import Run, create_run, execute, iterate_runs
from synth.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CLONE = Path(__file__).parents[2]
SERVE = "from synth.cli import main; main()"


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    server = PrefectServer(tmp_path_factory.mktemp("prefect-home"), extra={"PREFECT_RUNNER_POLL_FREQUENCY": "1"})
    server.start()
    yield server
    server.stop()


@contextmanager
def serving(prefect: PrefectServer, store: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVE, "serve", "--store", str(store), *map(str, arguments)]
    process = subprocess.Popen(
        command,
        env=prefect.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
        assert process.poll() in (None, -signal.SIGKILL), process.communicate()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def kill_all(serve: subprocess.Popen[str]) -> None:
    """The worker and the flow runs that it started, at once."""
    by_parent: dict[int, list[int]] = {}
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        pid, parent = map(int, line.split())
        by_parent.setdefault(parent, []).append(pid)
    doomed, waiting = [], [serve.pid]
    while waiting:
        doomed.append(waiting.pop())
        waiting += by_parent.get(doomed[-1], [])
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    serve.communicate()


def letter(number: int) -> str:
    words = ("covenant", "refinanced", "pension", "goodwill", "copper", "dividend", "auditor", "lease")
    return " ".join(
        f"In letter {number} the {words[(number + n) % 8]} of part {n * number} was {words[n % 8]} for {n * 97 + number} euros."
        for n in range(12)
    )


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(letter(number))
    return folder


@pytest.fixture
def slow_llm() -> Iterator[FakeLlm]:
    """Answers after half a second, a few at a time: a run of some hundred requests takes a minute."""

    def script(prompt: str, _asked: int) -> Say:
        said = query_of(prompt)
        return Say(said.content, seconds=0.5)

    with fake_llm(script, slots=4) as fake:
        yield fake


def test_every_night_what_changed_makes_the_next_version(
    prefect: PrefectServer, tmp_path: Path, documents: Path
) -> None:
    store = Store(tmp_path / "store")
    options = ("--domain", "finance", "--documents", documents, "--name", "letters", "--flow", "nightly")
    with serving(prefect, store.root, *options, "--interval", 3_600, "--min-carried", "0.6"):
        schedule = prefect.deployment("synth-nightly/letters")["schedules"]
        assert [each["schedule"]["interval"] for each in schedule] == [3_600.0]
        assert prefect.deployment("synth-generate/letters")["schedules"] == []

        first = prefect.trigger("synth-nightly/letters")
        prefect.wait_until(first, "COMPLETED")
        (documents / "3.txt").write_text(letter(33))
        (documents / "7.txt").write_text(letter(77))
        second = prefect.trigger("synth-nightly/letters")
        prefect.wait_until(second, "COMPLETED")
        third = prefect.trigger("synth-nightly/letters")
        prefect.wait_until(third, "COMPLETED")
        assert [version.number for version in store.iterate("letters")] == [1, 2]
        update = store.find("letters").manifest.update
        assert update is not None
        assert (update.documents.unchanged, update.documents.new, update.documents.changed) == (5, 1, 1)

        artifacts = prefect.artifacts(second)
        assert artifacts["synth-version-letters"]["data"].startswith("# letters@2")
        assert {key for key, row in artifacts.items() if row["type"] == "progress"} >= {
            "synth-make-items-letters",
            "synth-mine-and-publish-letters",
        }
        assert {row["data"] for row in artifacts.values() if row["type"] == "progress"} == {100.0}
        events = prefect.ask("events/filter", {"filter": {"event": {"name": ["synth.dataset.published"]}}})["events"]
        assert [event["payload"]["version"] for event in events] == ["letters@2", "letters@1"]

        for number in (0, 1, 2, 4):
            (documents / f"{number}.txt").unlink()
        lost = prefect.wait_until(prefect.trigger("synth-nightly/letters"), "FAILED", "COMPLETED")
        assert "letters@3 is not good enough and was not pushed" in lost["state"]["message"]
        assert "letters@4 holds letters@2 again" in lost["state"]["message"]
        kept = store.find("letters").manifest
        assert kept.content_sha256 == store.find("letters@2").manifest.content_sha256


def test_a_schedule_fires_by_itself(prefect: PrefectServer, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    options = ("--domain", "finance", "--limit", 40, "--name", "scheduled", "--interval", 15)
    with serving(prefect, store.root, *options):
        wait_for("a scheduled run", lambda: list(store.iterate("scheduled")))


def test_two_triggers_at_once_make_one_version_after_the_other(
    prefect: PrefectServer, tmp_path: Path, documents: Path
) -> None:
    store = Store(tmp_path / "store")
    with serving(prefect, store.root, "--domain", "finance", "--documents", documents, "--name", "both"):
        runs = [
            prefect.trigger("synth-generate/both"),
            prefect.trigger("synth-generate/both", limit=12),
            prefect.trigger("synth-nightly/both", update=False, limit=9),
        ]
        ended = [prefect.wait_until(run, "COMPLETED", "FAILED", "CRASHED", seconds=150) for run in runs]
    assert [row["state_type"] for row in ended] == ["COMPLETED"] * 3
    assert sorted(version.manifest.records for version in store.iterate("both"))[:2] == [9, 12]
    assert len(list(store.iterate("both"))) == 3


def test_cancelling_in_the_ui_stops_requests_within_seconds_and_leaves_a_run_to_resume(
    prefect: PrefectServer, tmp_path: Path, slow_llm: FakeLlm
) -> None:
    store = Store(tmp_path / "store")
    with serving(prefect, store.root, "--domain", "finance", "--limit", 100, "--llm", slow_llm.url, "--name", "ended"):
        flow_run = prefect.trigger("synth-generate/ended")
        wait_for("asking", lambda: len(slow_llm.bodies) > 20)
        prefect.ask(f"flow_runs/{flow_run}/set_state", {"state": {"type": "CANCELLING"}})
        in_flight, told = 0, time.monotonic()
        while time.monotonic() - told < 5:
            in_flight = max(in_flight, slow_llm.running + slow_llm.waiting)
            time.sleep(0.02)
        last = len(slow_llm.bodies)
        time.sleep(3)
        assert len(slow_llm.bodies) == last
        prefect.wait_until(flow_run, "CANCELLED")
        [run] = list(iterate_runs(store))
        assert not run.is_busy
        assert run.result is None
        time.sleep(3)
        assert prefect.state(flow_run) == "CANCELLED"
    before = slow_llm.asked.copy()
    slow_llm.script = lambda prompt, _: query_of(prompt)
    version = execute(Run(store, run.id))
    assert version.manifest.funnel.accepted == 100
    repeated = sum((slow_llm.asked - before)[prompt] for prompt in before)
    assert repeated <= in_flight + 16


def test_a_run_whose_worker_was_killed_goes_on_by_itself(
    prefect: PrefectServer, tmp_path: Path, slow_llm: FakeLlm
) -> None:
    store, other = Store(tmp_path / "store"), Store(tmp_path / "other")
    options = ("--domain", "finance", "--limit", 60, "--llm", slow_llm.url, "--name", "killed")
    with serving(prefect, store.root, *options) as first:
        flow_run = prefect.trigger("synth-generate/killed")
        wait_for("asking", lambda: len(slow_llm.bodies) > 20)
        kill_all(first)
        slow_llm.script = lambda prompt, _: query_of(prompt)
        with serving(prefect, store.root, *options):
            wait_for("a version", lambda: list(store.iterate("killed")), 120)
            prefect.wait_until(flow_run, "CRASHED")
            [resumed] = prefect.ask("flow_runs/filter", {"flow_runs": {"tags": {"all_": ["resumed"]}}})
            prefect.wait_until(resumed["id"], "COMPLETED")
    models = reach([slow_llm.url])
    resolved = resolve(Choices("finance", limit=60, models=tuple(models.models)))
    wanted = execute(create_run(resolved, other, llm=models))
    assert store.find("killed").manifest.content_sha256 == wanted.manifest.content_sha256
    assert [run.result is not None for run in iterate_runs(store)] == [True]


def test_a_server_that_is_restarted_in_mid_run_costs_nothing(
    prefect: PrefectServer, tmp_path: Path, slow_llm: FakeLlm
) -> None:
    store = Store(tmp_path / "store")
    with serving(prefect, store.root, "--domain", "finance", "--limit", 60, "--llm", slow_llm.url, "--name", "restart"):
        flow_run = prefect.trigger("synth-generate/restart")
        wait_for("asking", lambda: len(slow_llm.bodies) > 20)
        prefect.kill()
        time.sleep(2)
        prefect.start()
        slow_llm.script = lambda prompt, _: query_of(prompt)
        prefect.wait_until(flow_run, "COMPLETED", seconds=150)
    assert store.find("restart").manifest.funnel.accepted == 60


def test_workers_of_a_pool_run_what_synth_deploy_and_prefect_yaml_register(
    prefect: PrefectServer, tmp_path: Path
) -> None:
    environment = {**prefect.environment, "SYNTH_STORE": str(tmp_path / "store"), "SYNTH_CLONE": str(CLONE)}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=CLONE, capture_output=True, text=True, timeout=120
        )

    refused = command("-c", SERVE, "deploy", "--pool", "synth", "--domain", "finance", "--name", "pooled")
    assert refused.returncode == 2
    assert "prefect work-pool create synth --type process" in refused.stderr
    assert command("-m", "prefect", "work-pool", "create", "synth", "--type", "process").returncode == 0
    deploy = ("-c", SERVE, "deploy", "--pool", "synth", "--domain", "finance", "--name", "pooled", "--limit", "30")
    assert "synth-nightly/pooled in the pool synth" in command(*deploy, "--flow", "nightly", "--cron", "@daily").stdout
    cloned = command("-m", "prefect", "--no-prompt", "deploy", "--all")
    assert cloned.returncode == 0, cloned.stdout + cloned.stderr
    worker = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "synth"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        runs = [prefect.trigger("synth-nightly/pooled"), prefect.trigger("synth-generate/finance", limit=20)]
        for run in runs:
            prefect.wait_until(run, "COMPLETED")
    finally:
        worker.terminate()
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            worker.kill()
    store = Store(tmp_path / "store")
    assert [store.find(name).manifest.records for name in ("pooled", "finance")] == [30, 20]
