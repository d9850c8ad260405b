"""Pushing, with the real huggingface_hub and datasets against a fake Hub."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import CONTRIBUTOR_TOKEN, READ_TOKEN, TOKEN, Commit, FakeHub, serve_hub
from huggingface_hub import constants
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import disable_progress_bars

from synth.errors import InputError, StoreError
from synth.files import sha256_of_file
from synth.hub import _explain, push
from synth.recipe import Choices, resolve
from synth.release import Release, build_folder
from synth.run import create_run, execute
from synth.store import Store, VersionRef

pytestmark = pytest.mark.slow
REPO = "acme/finance"
PRIVATE, PUBLIC = Release(REPO), Release(REPO, public=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


def make_version(root: Path, limit: int, config: str) -> VersionRef:
    file = root / "config.yaml"
    file.write_text(config)
    return execute(create_run(resolve(Choices(domain="finance", limit=limit, config=file)), Store(root / "store")))


@pytest.fixture(scope="module")
def first(root: Path) -> VersionRef:
    return make_version(root, 60, "mining: {negatives: 4}")


@pytest.fixture(scope="module")
def second(root: Path, first: VersionRef) -> VersionRef:
    """A later version that has neither negatives nor a test split."""
    return make_version(root, 40, "{mining: {negatives: 0}, splits: {test: 0}}")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    disable_progress_bars()
    with serve_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


def test_importing_the_module_loads_no_client() -> None:
    code = "import sys, synth.hub; sys.exit(sorted({'huggingface_hub', 'datasets', 'duckdb'} & set(sys.modules)) or 0)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_push_is_one_commit_with_every_config_and_a_card(hub: FakeHub, first: VersionRef, tmp_path: Path) -> None:
    result = push(first, PRIVATE)
    repo = hub.repos[REPO]
    assert repo.private
    assert [commit.message.split(":")[0] for commit in repo.commits] == ["initial commit", "finance@1"]
    assert result.commit == repo.commits[1].oid == repo.tags["v1"]
    assert (result.url, result.tag, result.created) == (f"{hub.url}/datasets/{REPO}", "v1", True)
    configs = build_folder(first, tmp_path / "folder", PRIVATE)
    written = {
        p.relative_to(tmp_path / "folder").as_posix(): p for p in (tmp_path / "folder").rglob("*") if p.is_file()
    }
    assert {path for _, path in repo.commits[1].operations} == set(written)
    assert {name: repo.commits[1].files[name] for name in written} == {n: p.read_bytes() for n, p in written.items()}
    assert [c.format for c in configs] == [c.format for c in result.configs] == ["triplet", "pair", "full", "passages"]
    assert json.loads(written["manifest.json"].read_bytes())["content_sha256"] == first.manifest.content_sha256
    assert pq.read_table(written["corpus/corpus-00000-of-00001.parquet"]).equals(
        pq.read_table(first.file("passages.parquet"))
    )


def test_a_tag_can_be_named(hub: FakeHub, first: VersionRef) -> None:
    result = push(first, Release(REPO, tag="v1.0.0"))
    assert hub.repos[REPO].tags == {"v1.0.0": result.commit}
    assert 'revision="v1.0.0"' in hub.repos[REPO].commits[-1].files["README.md"].decode()
    again = push(first, Release(REPO, tag="v1.0.0"))
    assert (again.created, again.tag, again.commit) == (False, "v1.0.0", result.commit)


@pytest.mark.parametrize(
    "tag", ["v 1", "v1..0", "v1.lock", "-v1", "a//b", "v1~", "v@{1}", "main", "refs/heads/x", "f" * 40]
)
def test_a_tag_that_git_would_not_take_is_refused_before_the_network(tag: str, hub: FakeHub, first: VersionRef) -> None:
    with pytest.raises(InputError, match="can't name a tag"):
        push(first, Release(REPO, tag=tag))
    assert hub.requests == []


def test_a_pull_request_proposes_what_may_not_be_written(
    hub: FakeHub, first: VersionRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", CONTRIBUTOR_TOKEN)
    hub.create(REPO, private=True)
    with pytest.raises(
        InputError, match=r"may not write to acme/finance \(403\): .* or propose it with --pull-request"
    ):
        push(first, PRIVATE)
    proposal = Release(REPO, pull_request=True)
    result = push(first, proposal)
    repo = hub.repos[REPO]
    assert (result.url, result.tag) == (f"{hub.url}/datasets/{REPO}/discussions/1", "")
    assert len(repo.commits) == 1 and repo.tags == {}
    assert result.commit == repo.proposals[1].oid
    assert "revision=" not in repo.proposals[1].files["README.md"].decode()
    again = push(first, proposal)
    assert (again.created, again.url, again.commit) == (False, result.url, result.commit)
    assert list(repo.proposals) == [1]
    repo.merge(1)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    tagged = push(first, PRIVATE)
    assert repo.tags == {"v1": tagged.commit}
    assert [path for _, path in repo.commits[-1].operations] == ["README.md"]


def test_what_is_on_main_already_needs_no_pull_request(hub: FakeHub, first: VersionRef) -> None:
    proposal = Release(REPO, pull_request=True)
    hub.create(REPO, private=True)
    push(first, proposal)
    hub.repos[REPO].merge(1)
    result = push(first, proposal)
    assert (result.created, result.url) == (False, f"{hub.url}/datasets/{REPO}")
    assert list(hub.repos[REPO].proposals) == [1]


def test_nothing_can_be_proposed_to_a_repository_that_is_not_there(hub: FakeHub, first: VersionRef) -> None:
    with pytest.raises(InputError, match="nothing can be proposed to it: check the name, or leave out --pull-request"):
        push(first, Release(REPO, pull_request=True))
    assert hub.repos == {}


def test_a_pull_request_has_no_tag(hub: FakeHub, first: VersionRef) -> None:
    with pytest.raises(InputError, match="can't be tagged before it is merged"):
        push(first, Release(REPO, tag="v1.0.0", pull_request=True))


def test_another_writers_commit_during_a_push_is_told_and_kept(
    hub: FakeHub, first: VersionRef, second: VersionRef
) -> None:
    push(second, PRIVATE)
    repo = hub.repos[REPO]

    def interfere() -> None:
        there = repo.commits[-1]
        repo.commits.append(Commit("e" * 40, "theirs", there.files | {"LICENSE": b"theirs"}))

    hub.before[f"POST /api/datasets/{REPO}/preupload"] = interfere
    with pytest.raises(InputError, match=r"moved on during the push \(412\): .* nothing of this push was tagged"):
        push(first, PRIVATE)
    assert repo.commits[-1].message == "theirs"
    assert sorted(repo.tags) == ["v2"]
    assert push(first, PRIVATE).created
    assert repo.commits[-1].files["LICENSE"] == b"theirs"
    assert sorted(repo.tags) == ["v1", "v2"]


def test_a_repository_made_by_another_in_the_meantime_is_looked_at(hub: FakeHub, first: VersionRef) -> None:
    hub.before["POST /api/repos/create"] = lambda: hub.create(REPO, private=True, files={"theirs.csv": b"a\n"}) and None
    with pytest.raises(StoreError, match=r"holds files that are no version of 'finance' \(theirs.csv\)"):
        push(first, PRIVATE)
    assert len(hub.repos[REPO].commits) == 1


def test_a_renamed_repository_is_told_by_its_new_name(hub: FakeHub, first: VersionRef) -> None:
    push(first, PRIVATE)
    hub.rename(REPO, "acme/money")
    with pytest.raises(
        InputError,
        match=r"acme/finance has moved on the Hub and is acme/money now: run `synth push finance@1 acme/money`",
    ):
        push(first, PRIVATE)
    assert list(hub.repos) == ["acme/money"]
    assert not push(first, Release("acme/money")).created


def test_a_repository_renamed_during_a_push_gets_what_was_sent(hub: FakeHub, first: VersionRef) -> None:
    hub.create(REPO, private=True)
    hub.before[f"POST /api/datasets/{REPO}/preupload"] = lambda: hub.rename(REPO, "acme/money")
    push(first, PRIVATE)
    moved = hub.repos["acme/money"]
    assert moved.tags == {"v1": moved.commits[-1].oid}
    assert REPO not in hub.repos


def test_large_files_go_in_parts(hub: FakeHub, first: VersionRef) -> None:
    hub.part_size = 10_000
    push(first, PRIVATE)
    puts = [path for method, path in hub.requests if method == "PUT"]
    assert len(puts) > len({path.split("/")[2] for path in puts}) > 1
    assert hub.parts == {}
    assert hub.repos[REPO].tags.keys() == {"v1"}


def with_licences(version: VersionRef, licences: dict[str, int], folder: Path) -> VersionRef:
    """A copy of the version whose records are under other licences."""
    shutil.copytree(version.path, folder)
    manifest = version.manifest.model_copy(update={"licences": licences})
    given = ["" if name == "unknown" else name for name, count in licences.items() for _ in range(count)]
    files = {file.path: file for file in manifest.files}
    for path in sorted((folder / "records").glob("*.parquet")):
        table = pq.read_table(path)
        rows = [row | {"provenance": row["provenance"] | {"licence": given.pop()}} for row in table.to_pylist()]
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
        name = f"records/{path.name}"
        stored = {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
        files[name] = files[name].model_copy(update=stored)
    manifest = manifest.model_copy(update={"files": list(files.values())})
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return replace(version, path=folder)


def test_records_without_a_licence_are_not_pushed(hub: FakeHub, first: VersionRef, tmp_path: Path) -> None:
    unlicensed = with_licences(first, {"MIT": 40, "unknown": 20}, tmp_path / "copy")
    with pytest.raises(InputError, match=r"the documents of 20 of its 60 records state no licence; .*--licence ID"):
        push(unlicensed, PRIVATE)
    assert hub.requests == []
    with pytest.raises(InputError, match="--licence 'unknown' names no licence"):
        push(unlicensed, Release(REPO, licence="unknown"))
    push(unlicensed, Release(REPO, licence="CC BY-SA 4.0"))
    card = hub.repos[REPO].commits[-1].files["README.md"].decode()
    assert "\nlicense: cc-by-sa-4.0\n" in card
    assert "The documents of 20 records stated no licence; `CC BY-SA 4.0` was given for them" in card


def test_terms_of_a_house_are_pushed_under_their_name(hub: FakeHub, first: VersionRef, tmp_path: Path) -> None:
    push(with_licences(first, {"Acme house terms": 60}, tmp_path / "copy"), PRIVATE)
    card = hub.repos[REPO].commits[-1].files["README.md"].decode()
    assert "\nlicense: other\nlicense_name: acme-house-terms\n" in card


def test_nothing_is_created_where_the_question_stops_the_push(hub: FakeHub, first: VersionRef) -> None:
    def ask() -> None:
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        push(first, PUBLIC, ask=ask)
    assert hub.repos == {}


def test_the_real_datasets_library_loads_every_config_at_the_tag(
    hub: FakeHub, first: VersionRef, tmp_path: Path
) -> None:
    push(first, PRIVATE)
    hub.repos[REPO].commits.append(replace(hub.repos[REPO].commits[-1], oid="f" * 40, files={}))
    code = (
        "import json; from datasets import load_dataset as load\n"
        f"at = dict(path={REPO!r}, revision='v1')\n"
        "names = {c: load(**at, name=c, split='train').column_names for c in ('triplet', 'pair', 'full')}\n"
        "from huggingface_hub import HfApi; hub = HfApi()\n"
        f"names |= {{'tags': [tag.name for tag in hub.list_repo_refs({REPO!r}, repo_type='dataset').tags]}}\n"
        f"names |= {{'files': hub.list_repo_files({REPO!r}, repo_type='dataset', revision='v1')}}\n"
        "names |= {'corpus': load(**at, name='passages', split='corpus').num_rows, 'default': load(**at)['test'].column_names}\n"
        "print(json.dumps(names))"
    )
    env = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path),
        "HF_TOKEN": READ_TOKEN,
    }
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True).stdout)
    assert loaded["triplet"] == loaded["default"] == ["anchor", "positive", "negative"]
    assert loaded["pair"] == ["anchor", "positive"]
    assert loaded["tags"] == ["v1"]
    assert sorted(loaded["files"]) == sorted(hub.repos[REPO].commits[1].files)
    assert loaded["full"][:3] == ["id", "instruction", "language"]
    assert loaded["corpus"] == first.manifest.passages


def test_pushing_the_same_version_again_changes_nothing(hub: FakeHub, first: VersionRef) -> None:
    once, again = push(first, PRIVATE), push(first, PRIVATE)
    assert (again.created, again.commit, again.tag) == (False, once.commit, once.tag)
    assert len(hub.repos[REPO].commits) == 2


def test_the_same_version_under_another_licence_needs_another_tag(
    hub: FakeHub, first: VersionRef, tmp_path: Path
) -> None:
    unlicensed = with_licences(first, {"unknown": 60}, tmp_path / "copy")
    push(unlicensed, Release(REPO, licence="mit"))
    assert not push(unlicensed, Release(REPO, licence="MIT")).created
    with pytest.raises(StoreError, match=r"already, under 'mit' \(its tag v1\), and this push says 'cc-by-4.0'"):
        push(unlicensed, Release(REPO, licence="cc-by-4.0"))
    assert push(unlicensed, Release(REPO, licence="cc-by-4.0", tag="v1-cc")).created


def test_a_push_that_died_before_its_tag_is_completed(hub: FakeHub, first: VersionRef) -> None:
    hub.faults[f"POST /api/datasets/{REPO}/tag"] = (503, "")
    with pytest.raises(InputError, match="answered 503"):
        push(first, PRIVATE)
    hub.faults.clear()
    assert push(first, PRIVATE).created
    assert len(hub.repos[REPO].commits) == 2
    assert hub.repos[REPO].tags == {"v1": hub.repos[REPO].commits[1].oid}


def test_files_of_an_earlier_version_go_in_the_same_commit(hub: FakeHub, first: VersionRef, second: VersionRef) -> None:
    push(first, PRIVATE)
    hub.repos[REPO].commits[-1].files["LICENSE"] = b"mine"
    result = push(second, PRIVATE)
    commit = hub.repos[REPO].commits[-1]
    assert len(hub.repos[REPO].commits) == 3
    assert [c.format for c in result.configs] == ["pair", "full", "passages"]
    deleted = {path for kind, path in commit.operations if kind == "deletedFile"}
    assert deleted == {
        f"{f}/{s}-00000-of-00001.parquet"
        for f, s in (("triplet", "train"), ("triplet", "test"), ("pair", "test"), ("full", "test"))
    }
    assert commit.files["LICENSE"] == b"mine"
    assert sorted(hub.repos[REPO].tags) == ["v1", "v2"]


def test_public_is_only_on_request(hub: FakeHub, first: VersionRef) -> None:
    push(first, PUBLIC)
    assert not hub.repos[REPO].private


@pytest.mark.parametrize(
    ("public", "says"), [(True, "is private; push without --public"), (False, "is public; push with --public")]
)
def test_visibility_is_never_changed(public: bool, says: str, hub: FakeHub, first: VersionRef) -> None:
    hub.create(REPO, private=public)
    with pytest.raises(StoreError, match=says):
        push(first, Release(REPO, public))
    assert len(hub.repos[REPO].commits) == 1


def test_a_tag_with_other_content_is_an_error(hub: FakeHub, first: VersionRef, second: VersionRef) -> None:
    push(second, PRIVATE)
    hub.repos[REPO].tags = {"v1": hub.repos[REPO].tags["v2"]}
    with pytest.raises(StoreError, match="already has a tag v1 with other content than finance@1"):
        push(first, PRIVATE)
    repo = hub.create(REPO, private=True)
    repo.tags["v1"] = repo.commits[0].oid
    with pytest.raises(StoreError, match="already has a tag v1"):
        push(first, PRIVATE)


def test_data_of_others_is_not_written_over(hub: FakeHub, first: VersionRef) -> None:
    hub.create(REPO, private=True, files={"README.md": b"hello", "data/train.csv": b"a,b\n"})
    with pytest.raises(StoreError, match=r"no version of 'finance' \(data/train.csv\); push to another repository"):
        push(first, PRIVATE)
    hub.create(REPO, private=True, files={"manifest.json": b"{}"})
    with pytest.raises(StoreError, match=r"no version of 'finance' \(manifest.json\)"):
        push(first, PRIVATE)
    hub.create(REPO, private=True, files={"README.md": b"made on the site"})
    assert push(first, PRIVATE).created


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("hf_wrongToken123", r"does not accept the token \(401\): set HF_TOKEN"),
        (READ_TOKEN, r"may not write to acme/finance \(403\): use one with write access to acme"),
        (None, "needs a token with write rights: set HF_TOKEN or run `hf auth login`"),
    ],
)
def test_a_token_that_will_not_do(
    token: str | None, says: str, hub: FakeHub, first: VersionRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token or "")
    with pytest.raises(InputError, match=says) as caught:
        push(first, PRIVATE)
    assert (token or TOKEN) not in str(caught.value)
    assert hub.repos == {}


def test_a_token_that_the_hub_repeats_is_masked(hub: FakeHub, first: VersionRef) -> None:
    hub.faults["POST /api/repos"] = (500, f"what is {TOKEN}?")
    with pytest.raises(InputError, match=r"answered 500: .*what is \[token\]\?"):
        push(first, PRIVATE)


@pytest.mark.parametrize("name", ["finance", "a/b/c", "acme/-finance", "acme/fin ance", "/x"])
def test_a_malformed_repository_is_refused_before_the_network(name: str, hub: FakeHub, first: VersionRef) -> None:
    with pytest.raises(InputError, match=r"can't name a repository .*: write ORG/NAME, such as acme/finance"):
        push(first, Release(name))
    assert hub.requests == []


def test_a_network_that_is_not_there(hub: FakeHub, first: VersionRef, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(
            InputError, match=r"can't reach http://127.* \(ConnectError\): check the network and HF_ENDPOINT"
        ):
            push(first, PRIVATE)


def test_offline_mode_is_named(hub: FakeHub, first: VersionRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE forbids talking to"):
        push(first, PRIVATE)


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        (
            f"POST /api/datasets/{REPO}/commit",
            412,
            r"acme/finance moved on during the push \(412\): another writer's commit or tag came first",
        ),
        ("PUT /lfs/", 403, r"may not write to acme/finance \(403\)"),
        (f"POST /api/datasets/{REPO}/tag", 404, r"has no dataset acme/finance that the token can see"),
        ("POST /api/validate-yaml", 400, "can't push to acme/finance: Invalid metadata in README.md"),
    ],
)
def test_a_refusal_half_way_leaves_no_tag(fault: str, status: int, says: str, hub: FakeHub, first: VersionRef) -> None:
    hub.faults[fault] = (status, "no")
    with pytest.raises(InputError, match=says):
        push(first, PRIVATE)
    assert hub.repos[REPO].tags == {}


def test_what_arrived_is_compared_before_the_tag(
    hub: FakeHub, first: VersionRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.create(REPO, private=True)
    monkeypatch.setattr("synth.hub._Repository.files_at", lambda *_: {"README.md": 1})
    with pytest.raises(StoreError, match=r"does not hold what was sent \(README.md, corpus/.*was not tagged"):
        push(first, PRIVATE)
    assert hub.repos[REPO].tags == {}


def test_a_damaged_version_is_not_pushed(hub: FakeHub, first: VersionRef, tmp_path: Path) -> None:
    copy = replace(first, path=tmp_path / "copy")
    shutil.copytree(first.path, copy.path)
    (copy.path / "passages.parquet").write_bytes(b"?")
    with pytest.raises(StoreError, match=r"finance@1 is damaged and was not sent: passages\.parquet"):
        push(copy, PRIVATE)
    assert hub.repos == {}


def test_a_folder_that_holds_something_is_refused(first: VersionRef, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="choose another --out"):
        build_folder(first, tmp_path, Release())


def test_local_and_remote_failures_are_told_apart() -> None:
    assert "put that right" in _explain(PermissionError(13, "Permission denied", "/cache"), REPO, "http://hub")
    assert "can't reach http://hub (HTTPError)" in _explain(HTTPError("slow"), REPO, "http://hub")


def read_in_own_process(hub: FakeHub, tmp_path: Path, reference: str) -> subprocess.CompletedProcess[str]:
    """`datasets` remembers where the Hub is from its import on."""
    code = (
        "import json\nfrom synth.evaluation import read_evaluations\nfrom synth.errors import InputError\n"
        f"try:\n    (found,) = read_evaluations([{reference!r}])\n"
        "    print(json.dumps([found.name, dict(found.queries), dict(found.passages)]))\n"
        "except InputError as error:\n    raise SystemExit(str(error))"
    )
    env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path), "HF_TOKEN": TOKEN}
    return subprocess.run([sys.executable, "-c", code], env=env, check=False, capture_output=True, text=True)


def rows_of(*rows: dict[str, object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_an_evaluation_set_of_the_hub_is_read_with_its_judgements(hub: FakeHub, tmp_path: Path) -> None:
    configs = {"queries": "queries", "corpus": "corpus", "default": "test"}
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {name}\n  data_files:\n  - split: {split}\n    path: {name}.jsonl\n"
        for name, split in configs.items()
    )
    files = {
        "README.md": f"{card}---\n".encode(),
        "queries.jsonl": rows_of({"_id": "q1", "text": "who pays?"}, {"_id": "q2", "text": "who owns?"}),
        "corpus.jsonl": rows_of(
            {"_id": "d1", "title": "", "text": "The bank."}, {"_id": "d2", "title": "", "text": "No."}
        ),
        "default.jsonl": rows_of({"query-id": "q1", "corpus-id": "d1", "score": 1}),
    }
    hub.create("acme/exam", private=False, files=files)
    done = read_in_own_process(hub, tmp_path, "hf://acme/exam")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["acme/exam", {"q1": "who pays?"}, {"d1": "The bank."}]


def test_a_config_and_a_split_of_the_hub_can_be_named(hub: FakeHub, tmp_path: Path) -> None:
    card = "---\nconfigs:\n- config_name: pairs\n  data_files:\n  - split: dev\n    path: dev.jsonl\n  - split: test\n    path: test.jsonl\n---\n"
    files = {
        "README.md": card.encode(),
        "dev.jsonl": rows_of({"anchor": "who pays?", "positive": "The bank."}),
        "test.jsonl": rows_of({"anchor": "who owns?", "positive": "Nobody."}),
    }
    hub.create("acme/exam", private=False, files=files)
    chosen = read_in_own_process(hub, tmp_path, "hf://acme/exam/pairs:dev")
    assert json.loads(chosen.stdout)[1:] == [{"1": "who pays?"}, {"1:1.0": "The bank."}]
    tests = read_in_own_process(hub, tmp_path, "hf://acme/exam")
    assert json.loads(tests.stdout)[1] == {"1": "who owns?"}
    wrong = read_in_own_process(hub, tmp_path, "hf://acme/exam/pairs:tset")
    assert wrong.stderr.startswith("--decontaminate: can't read hf://acme/exam: ")
    assert wrong.stderr.count("\n") == 1


def test_an_evaluation_set_that_the_hub_does_not_have_is_one_sentence(hub: FakeHub, tmp_path: Path) -> None:
    done = read_in_own_process(hub, tmp_path, "hf://acme/none")
    assert done.returncode == 1
    assert done.stderr.startswith("--decontaminate: can't read hf://acme/none: ")
    assert done.stderr.count("\n") == 1


def mine_in_own_process(hub: FakeHub, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path), "HF_TOKEN": TOKEN}
    store = ["--store", str(tmp_path / "store"), "--strategy", "naive", "--negatives", "1"]
    command = [sys.executable, "-c", "from synth.cli import main; main()", "mine", *arguments, *store]
    return subprocess.run(command, env=env | {"COLUMNS": "200"}, check=False, capture_output=True, text=True)


def test_pairs_of_the_hub_are_mined_by_their_train_split(hub: FakeHub, tmp_path: Path) -> None:
    card = "---\nconfigs:\n- config_name: pairs\n  data_files:\n" + "".join(
        f"  - split: {split}\n    path: {split}.jsonl\n" for split in ("train", "test")
    )
    files = {
        "README.md": f"{card}---\n".encode(),
        "train.jsonl": rows_of(
            {"anchor": "who pays the rent?", "positive": "The tenant pays the rent."},
            {"anchor": "who gets the rent?", "positive": "A trust owns the house and gets the rent."},
        ),
        "test.jsonl": rows_of({"anchor": "who mends the roof?", "positive": "The landlord pays who mends it."}),
    }
    hub.create("acme/pairs", private=False, files=files)
    done = mine_in_own_process(hub, tmp_path, "hf://acme/pairs", "--out", str(tmp_path / "train"))
    assert done.returncode == 0, done.stderr
    assert "2 pairs of 2 queries, 2 passages" in done.stderr
    found = pq.read_table(tmp_path / "train" / "triplet.parquet").to_pylist()
    assert {row["anchor"] for row in found} == {"who pays the rent?", "who gets the rent?"}
    named = mine_in_own_process(hub, tmp_path, "hf://acme/pairs/pairs:test", "--out", str(tmp_path / "test"))
    assert "1 pairs of 1 queries" in named.stderr
    none = mine_in_own_process(hub, tmp_path, "hf://acme/none", "--out", str(tmp_path / "none"))
    assert none.returncode != 0
    assert "can't read hf://acme/none: " in " ".join(none.stderr.split())
    assert "Traceback" not in none.stderr


def test_a_retrieval_set_of_the_hub_is_mined_with_its_judgements(hub: FakeHub, tmp_path: Path) -> None:
    parts = {"queries": "queries", "corpus": "corpus", "default": "train"}
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {name}\n  data_files:\n  - split: {split}\n    path: {name}.jsonl\n"
        for name, split in parts.items()
    )
    card += "  - split: test\n    path: exam.jsonl\n"
    texts = ("The tenant pays the rent.", "A trust gets the rent.", "The roof leaks.")
    files = {
        "README.md": f"{card}---\n".encode(),
        "queries.jsonl": rows_of({"_id": "q1", "text": "who pays the rent?"}, {"_id": "q2", "text": "what leaks?"}),
        "corpus.jsonl": rows_of(*({"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(texts))),
        "default.jsonl": rows_of({"query-id": "q1", "corpus-id": "d0", "score": 1}),
        "exam.jsonl": rows_of({"query-id": "q2", "corpus-id": "d2", "score": 1}),
    }
    hub.create("acme/retrieval", private=False, files=files)
    done = mine_in_own_process(hub, tmp_path, "hf://acme/retrieval", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "1 pairs of 1 queries, 3 passages" in done.stderr
    assert pq.read_table(tmp_path / "out" / "triplet.parquet").to_pylist() == [
        {"anchor": "who pays the rent?", "positive": texts[0], "negative": texts[1]}
    ]
