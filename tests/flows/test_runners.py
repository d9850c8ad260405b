from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.remote_stop import allow, order_stop, stoppable
from flows.runners import _compare, check_runner, check_suited, look
from synth.errors import InputError, MissingExtra, RunStopped
from synth.files import write_model
from synth.llm.server import Served
from synth.llm.settings import LlmSettings
from synth.run import Run, RunInfo
from synth.store import Store
from synth.teachers.remote import Refused


def run_with(tmp_path: Path, llm: LlmSettings) -> Run:
    run = Run(Store(tmp_path), "r")
    info = RunInfo(id="r", name="n", created="", documents=[], llm=llm)
    write_model(run.folder / "run.json", info)
    return run


@pytest.mark.parametrize(
    "runner", ["dask", "ray:", "ray://", "ray://host", "ray://user:secret@host:10001", "http://host:1"]
)
def test_what_is_no_runner_is_refused(runner: str) -> None:
    with pytest.raises(InputError, match="write ray for a Ray on this machine, or ray://HOST:10001"):
        check_runner(runner)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.runners.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"--runner ray needs the extra 'ray': pip install 'synth\[ray\]'"):
        check_runner("ray")


def test_without_a_server_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.runners.find_spec", lambda name: True)
    with (
        temporary_settings({PREFECT_API_URL: None}),
        pytest.raises(InputError, match="needs a Prefect server that Ray's workers can reach; start one with"),
    ):
        check_runner("ray")


def test_a_server_on_loopback_is_refused_for_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.runners.find_spec", lambda name: True)
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}),
        pytest.raises(InputError, match="workers on other machines can't reach the Prefect server"),
    ):
        check_runner("ray://head:10001")


@pytest.mark.parametrize(
    ("llm", "said"),
    [
        (LlmSettings(served=[Served(model="Qwen/Qwen3-8B")]), "start one with `vllm serve Qwen/Qwen3-8B`"),
        (LlmSettings(metrics_port=9100), "--metrics-port shows the counters of one process"),
    ],
)
def test_what_is_one_process_s_alone_is_refused(tmp_path: Path, llm: LlmSettings, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_suited(run_with(tmp_path, llm), "ray")


def test_a_node_is_compared_with_this_machine(tmp_path: Path) -> None:
    run = run_with(tmp_path, LlmSettings())
    mark = run.folder / ".seen-x"
    mark.write_text("x")
    here = look(str(mark), None, ["numpy", "no-such-package"])
    assert (here["sees"], here["writes"], here["server"]) == ("x", "", "")
    assert (here["Python"], here["no-such-package"]) == (sys.version.split()[0], "(none)")
    assert list(run.folder.glob(".seen-*")) == [mark]
    for name in ("prefect", "prefect-ray", "ray", "synth", "pyarrow", "pydantic", "pystemmer", "faiss-cpu"):
        here[name] = "1"
    _compare(run, "ray", "node", here, here)
    for changed, said in (
        ({"sees": ""}, "does not see .* put the store on a folder that all nodes share"),
        ({"writes": "Permission denied"}, "may not write to"),
        ({"server": "refused"}, "can't reach the Prefect server"),
        ({"pyarrow": "2"}, "has pyarrow 2 and this machine 1; install the same everywhere"),
        ({"Python": "3.9.1"}, "has Python 3.9.1"),
    ):
        with pytest.raises(InputError, match=said):
            _compare(run, "ray", "node", here | changed, here)


def test_errors_travel_from_a_worker_to_its_flow_run() -> None:
    for error in (MissingExtra("the teacher 'x'", "teacher"), Refused("http://a", "/v1/score", 404, "no")):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_stop_reaches_processes_that_only_share_the_folder(new_run: Callable[[], Run]) -> None:
    run = new_run()
    with stoppable(run):
        order_stop(run)
    with pytest.raises(RunStopped, match=f"synth resume {run.id}"), stoppable(run):
        pass
    allow(run)
    with stoppable(run):
        pass
