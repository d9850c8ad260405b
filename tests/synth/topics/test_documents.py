"""Documents written about topics: counted, kept apart from real ones, paid for once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import FakeLlm, Fill, Say, Status
from inventing import answer

from synth.documents import read_documents
from synth.errors import DomainError, InputError, RunError
from synth.llm.budget import Budget
from synth.llm.settings import LlmSettings
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store
from synth.topics.documents import (
    FROM_TOPICS,
    save_documents,
    subject_of,
    with_invented,
    write_documents,
)
from synth.topics.requests import DocumentFromTopic

Reached = Callable[..., tuple[Choices, LlmSettings]]
Serve = Callable[..., FakeLlm]


@pytest.fixture
def written(reached: Reached, store: Store) -> Callable[..., Any]:
    def write(fake: FakeLlm, count: int, **fields: Any) -> Any:
        choices, settings = reached(fake, **fields)
        subject = subject_of(choices, DocumentFromTopic.prompt, "documents are written by an LLM")
        return write_documents(subject, count, store, settings, Silent())

    return write


def test_every_topic_gets_a_document_that_says_who_wrote_it_and_about_what(serve: Serve, written: Any) -> None:
    library = written(serve(), 12)
    assert library.count.model_dump() == {"asked": 12, "kept": 12, "duplicate": {}, "failed": {}}
    assert len({each.topic for each in library.documents}) == 12
    for each in library.documents:
        assert each.topic.count(" > ") == 2
        assert (each.written_by, each.language) == ("fake", "en")
        assert each.persona in ("p0", "p1")
    assert {len(each.text.split()) for each in library.documents} == {30, 60}


def test_what_a_reader_of_documents_learns_of_them(serve: Serve, written: Any, tmp_path: Path) -> None:
    library = written(serve(), 5)
    save_documents(tmp_path / "d.jsonl", library)
    read = {each.id: each for each in read_documents([tmp_path / "d.jsonl"])}
    for each in library.documents:
        found = read[each.id]
        assert (found.title, found.text) == (each.title, each.text)
        assert (found.language, found.topic, found.written_by) == ("en", each.topic, "fake")


def test_what_is_no_document_is_counted_by_reason_and_another_asked_for(serve: Serve, written: Any) -> None:
    kinds: Counter[str] = Counter()

    def script(prompt: str, asked: int) -> Say | Fill:
        made = answer(prompt, asked)
        assert isinstance(made, Say)
        kinds["all"] += not asked
        said = json.loads(made.content)
        if kinds["all"] == 2:
            said["text"] = "Far too short to be what was asked for."
        if kinds["all"] == 3:
            said["text"] += " Signed, [Your Name]"
        return Say(json.dumps(said))

    library = written(serve(script), 6)
    assert library.count.kept == 6
    assert library.count.failed == {"blank_left": 1, "too_short": 1}
    assert library.count.asked == 8


@pytest.mark.slow
def test_a_document_in_another_language_than_was_asked_for_is_none(serve: Serve, written: Any) -> None:
    text = "The patient should take the medicine twice a day and come back to the clinic when the symptoms do not improve within a week of the treatment that the doctor recommends."
    english = json.dumps({"title": "Taking your medicine", "text": text})
    library = written(serve(lambda _prompt, _asked: Say(english)), 1, languages=("de",))
    assert library.documents == []
    assert library.count.failed == {"wrong_language": library.count.asked}


def test_a_model_that_repeats_itself_ends_the_asking(serve: Serve, written: Any) -> None:
    same = json.dumps({"title": "Always", "text": " ".join(f"word{n}" for n in range(60))})
    library = written(serve(lambda _prompt, _asked: Say(same)), 3)
    assert library.exhausted
    assert library.count.kept == 1
    assert library.count.duplicate == {"words": library.count.asked - 1}


def test_a_budget_that_is_spent_ends_the_asking_and_a_larger_one_goes_on(
    serve: Serve, reached: Reached, store: Store
) -> None:
    fake = serve()
    choices, settings = reached(fake)
    subject = subject_of(choices, DocumentFromTopic.prompt, "documents are written by an LLM")
    small = settings.model_copy(update={"budget": Budget(requests=5)})
    count = write_documents(subject, 12, store, small, Silent()).count
    assert (count.asked, count.kept, count.failed) == (12, 5, {"unasked": 7})
    with pytest.raises(RunError, match=r"the documents are not all there \(unasked 7\)"):
        count.check_whole("documents")
    assert len(write_documents(subject, 12, store, settings, Silent()).documents) == len(fake.bodies) == 12


def test_asking_again_asks_nothing_and_more_documents_only_what_is_new(serve: Serve, written: Any) -> None:
    fake = serve()
    first = written(fake, 6)
    assert len(fake.bodies) == 6
    assert written(fake, 6) == first
    assert len(fake.bodies) == 6
    assert written(fake, 9).documents[:6] == first.documents
    assert len(fake.bodies) == 9


def test_a_run_from_topics_makes_records_that_do_not_pass_for_real_text(
    serve: Serve, reached: Reached, store: Store
) -> None:
    choices, settings = reached(serve(), documents=(FROM_TOPICS,), limit=20)
    known = with_invented(choices, store, settings, Silent())
    assert known.documents != choices.documents
    assert len(orjson.loads(b"[" + b",".join(known.documents[0].read_bytes().splitlines()) + b"]")) == 20
    assert with_invented(choices, store, settings, Silent()) == known
    version = execute(create_run(resolve(known), store, llm=settings))
    records = pq.read_table(version.path / "records").to_pylist()
    assert len(records) == 20
    assert {record["provenance"]["passage_written_by"] for record in records} == {"fake"}
    assert set(pq.read_table(version.file("passages.parquet"))["written_by"].to_pylist()) == {"fake"}


@pytest.mark.slow
def test_a_document_that_the_server_fails_on_does_not_hold_up_a_run_that_has_enough(
    serve: Serve, reached: Reached, store: Store
) -> None:
    def script(prompt: str, asked: int) -> Say | Fill | Status:
        return Status(500) if "leaf 1xa" in prompt else answer(prompt, asked)

    choices, settings = reached(serve(script), documents=(FROM_TOPICS,), limit=20)
    known = with_invented(choices, store, settings, Silent())
    assert len(known.documents[0].read_bytes().splitlines()) == 20


def test_topics_stand_alone(reached: Reached, serve: Serve, store: Store) -> None:
    choices, settings = reached(serve(), documents=(FROM_TOPICS, Path("more")))
    with pytest.raises(InputError, match="--documents topics stands alone"):
        with_invented(choices, store, settings, Silent())


def test_a_folder_called_topics_is_a_folder(
    reached: Reached, serve: Serve, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "topics").mkdir()
    choices, settings = reached(serve(), documents=(FROM_TOPICS,))
    assert with_invented(choices, store, settings, Silent()) == choices


def test_a_domain_without_topics_and_a_call_without_a_server_are_refused(domain: Path) -> None:
    with pytest.raises(InputError, match="are written by an LLM: add --llm"):
        subject_of(Choices(str(domain)), DocumentFromTopic.prompt, "documents are written by an LLM")
    domain.write_text(domain.read_text().replace("topics: topics.yaml\n", ""))
    with pytest.raises(DomainError, match="names no topics.*synth topics tree"):
        subject_of(Choices(str(domain)), DocumentFromTopic.prompt, "documents are written by an LLM")
