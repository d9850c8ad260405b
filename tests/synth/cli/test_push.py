"""`synth push` as a process: exit codes, stdout, and no token anywhere."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import datasets
import pytest
import yaml
from fake_hub import TOKEN, FakeHub, serve_hub
from huggingface_hub import constants

from synth.cli import main
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Synth = Callable[..., Done]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("push") / "store"
    execute(create_run(resolve(Choices(domain="finance", limit=60)), Store(root)))
    return root


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serve_hub() as running:
        yield running


@pytest.fixture
def process(hub: FakeHub, store: Path, tmp_path: Path) -> Synth:
    """`synth push …` as users run it."""

    def run(*arguments: str, token: str = TOKEN) -> Done:
        env = os.environ | {
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": token,
        }
        env |= {"SYNTH_STORE": str(store), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", "from synth.cli import main; main()", "push", *arguments]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def synth(
    hub: FakeHub, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Synth:
    """The same inside this process, which is faster; huggingface_hub has read its environment already."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("SYNTH_STORE", str(store))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["synth", "push", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        return Done(int(stopped.value.code or 0), *capfd.readouterr())

    return run


def test_a_push_ends_with_the_line_that_loads_it(process: Synth, synth: Synth, hub: FakeHub) -> None:
    done = process("finance", "acme/finance")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{hub.url}/datasets/acme/finance",
        'load_dataset("acme/finance", "triplet", split="train", revision="v1")',
    ]
    assert "Pushed finance@1 as tag v1, commit " in done.stderr
    assert hub.repos["acme/finance"].private
    again = synth("finance@1", "acme/finance")
    assert again.stdout == done.stdout
    assert "is there already as tag v1" in again.stderr
    assert len(hub.repos["acme/finance"].commits) == 2


def test_json_names_everything_that_was_sent(synth: Synth, hub: FakeHub) -> None:
    done = synth("finance", "acme/finance", "--public", "--json")
    report = json.loads(done.stdout)
    assert (report["version"], report["tag"], report["created"]) == ("finance@1", "v1", True)
    assert report["commit"] == hub.repos["acme/finance"].tags["v1"]
    assert [config["config"] for config in report["configs"]] == ["triplet", "pair", "full", "passages"]
    files = {name for config in report["configs"] for name in config["files"]}
    assert files == {name for name in hub.repos["acme/finance"].commits[-1].files if name.endswith(".parquet")}
    assert not hub.repos["acme/finance"].private


def test_a_pull_request_ends_with_its_address(synth: Synth, hub: FakeHub) -> None:
    hub.create("acme/finance", private=True)
    done = synth("finance", "acme/finance", "--pull-request")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{hub.url}/datasets/acme/finance/discussions/1"]
    assert "Once it is merged, `synth push finance@1 acme/finance` tags it." in done.stderr
    again = synth("finance", "acme/finance", "--pull-request", "--json")
    report = json.loads(again.stdout)
    assert (report["url"], report["tag"], report["created"]) == (done.stdout.strip(), None, False)


def test_a_tag_of_ones_own_is_in_the_line_that_loads_it(synth: Synth, hub: FakeHub) -> None:
    done = synth("finance", "acme/finance", "--tag", "v1.0.0")
    assert done.stdout.splitlines()[1].endswith('revision="v1.0.0")')
    assert list(hub.repos["acme/finance"].tags) == ["v1.0.0"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `mine`, made from documents that state no licence, one of them with an address in it."""
    root = tmp_path_factory.mktemp("own")
    for number in range(6):
        text = f"# Boiler {number}\n\nThe boiler of type {number} holds {number + 3} litres and is serviced in May.\n\n"
        (root / f"{number}.md").write_text(text * 3 + "Write to service@acme-boilers.com about it.\n" * (number == 0))
    config = root / "config.yaml"
    config.write_text("{gates: [{name: schema}], set_gates: [], mining: {negatives: 0}}")
    choices = Choices(domain="finance", documents=tuple(sorted(root.glob("*.md"))), name="mine", limit=5, config=config)
    execute(create_run(resolve(choices), Store(root / "store")))
    return root / "store"


@pytest.fixture
def mine(own: Path, synth: Synth, monkeypatch: pytest.MonkeyPatch) -> Synth:
    monkeypatch.setenv("SYNTH_STORE", str(own))
    return synth


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Type `text` at a terminal."""
    terminal = io.StringIO(text)
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", terminal)


def test_documents_without_a_licence_are_refused_with_what_to_type(mine: Synth, hub: FakeHub) -> None:
    done = mine("mine", "acme/mine")
    assert done.returncode == 2
    assert "mine@1 was not sent: the documents of 5 of its 5 records state no licence" in done.stderr
    assert "--licence ID" in done.stderr
    assert hub.requests == []
    dry = mine("mine", "--dry-run")
    assert dry.returncode == 0
    assert "A push will be refused: the documents of 5 of its 5 records" in dry.stderr
    assert mine("mine", "acme/mine", "--licence", "cc-by-4.0").returncode == 0
    assert hub.repos["acme/mine"].private


def test_ones_own_documents_become_public_only_with_consent(
    mine: Synth, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = ("mine", "acme/mine", "--licence", "cc-by-4.0", "--public")
    unasked = mine(*public)
    assert unasked.returncode == 2
    assert "there is no terminal to ask at: add --yes" in unasked.stderr
    answer(monkeypatch, "n\n")
    refused = mine(*public)
    assert refused.returncode == 1
    assert "Nothing was sent." in refused.stderr
    assert hub.repos == {}
    for told in (
        "5 queries and all 18 passages",
        "cc-by-4.0 5 (records); the card says cc-by-4.0",
        "email in 1 (masked in 0), of 23 texts",
    ):
        assert told in unasked.stderr and told in refused.stderr
    answer(monkeypatch, "y\n")
    assert mine(*public).returncode == 0
    assert not hub.repos["acme/mine"].private


def test_yes_answers_the_question(mine: Synth, hub: FakeHub) -> None:
    done = mine("mine", "acme/mine", "--licence", "cc-by-4.0", "--public", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Everybody will be able to read and copy" in done.stderr
    assert not hub.repos["acme/mine"].private


def test_a_shipped_corpus_is_public_without_a_question(synth: Synth, hub: FakeHub) -> None:
    done = synth("finance", "acme/finance", "--public")
    assert done.returncode == 0, done.stderr
    assert "Everybody will be able" not in done.stderr


def test_offline_is_said_and_exit_code_2(synth: Synth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    done = synth("finance", "acme/finance")
    assert done.returncode == 2
    assert "HF_HUB_OFFLINE forbids talking to" in done.stderr


def test_a_wrong_token_is_exit_code_2_and_never_shown(process: Synth, hub: FakeHub) -> None:
    done = process("finance", "acme/finance", token="hf_secretButWrong")
    assert done.returncode == 2
    assert "does not accept the token (401)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hf_secretButWrong" not in done.stdout + done.stderr


def test_a_dry_run_writes_what_a_push_sends_and_sends_nothing(synth: Synth, hub: FakeHub, tmp_path: Path) -> None:
    done = synth("finance", "acme/finance", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "synth-push/finance-1"
    assert "Nothing was sent." in done.stderr
    assert hub.requests == []
    synth("finance", "acme/finance")
    folder = tmp_path / "synth-push" / "finance-1"
    written = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    sent = dict(hub.repos["acme/finance"].commits[-1].files)
    del sent[".gitattributes"]
    assert written == sent
    refused = synth("finance", "--dry-run")
    assert refused.returncode == 2
    assert "is not empty; choose another --out" in refused.stderr


def test_a_dry_run_folder_loads_as_it_stands(synth: Synth, tmp_path: Path) -> None:
    done = synth("finance", "--dry-run", "--out", "folder", "--json")
    report = json.loads(done.stdout)
    assert report["folder"] == "folder"
    triplets = datasets.load_dataset(
        str(tmp_path / "folder"), "triplet", split="train", cache_dir=str(tmp_path / "cache")
    )
    assert triplets.column_names == ["anchor", "positive", "negative"] == report["configs"][0]["columns"]
    assert triplets.num_rows == report["configs"][0]["rows"]["train"]
    card = (tmp_path / "folder" / "README.md").read_text()
    listed = [
        entry["path"] for config in yaml.safe_load(card.split("---\n")[1])["configs"] for entry in config["data_files"]
    ]
    assert [path for path in listed if not (tmp_path / "folder" / path).is_file()] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["finance"], "push needs a repository: `synth push finance ORG/NAME`, or --dry-run"),
        (["finance", "acme/finance", "--out", "x"], "--out is where --dry-run writes"),
        (["finance", "acme", "--dry-run"], "'acme' can't name a repository (it needs exactly one '/')"),
        (["finanse", "acme/finance"], "did you mean 'finance'?"),
        (["finance@7", "acme/finance"], "finance has no version '7'; it has 1"),
        (["finance", "not-a-repo"], "'not-a-repo' can't name a repository"),
        (["finance", "acme/finance", "--tag", "v 1"], "--tag 'v 1' can't name a tag (git allows no ' ' there)"),
        (["finance", "acme/finance", "--tag", "v1", "--pull-request"], "can't be tagged before it is merged"),
        (["finance", "acme/finance", "--licence", "none"], "--licence 'none' names no licence"),
        (["finance", "acme/finance", "--pull-request"], "nothing can be proposed to it"),
    ],
)
def test_wrong_input_is_one_sentence(arguments: list[str], says: str, synth: Synth) -> None:
    done = synth(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""
