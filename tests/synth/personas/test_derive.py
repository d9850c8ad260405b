from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpora import Row, write_corpus
from fake_llm import FakeLlm, Say, Status
from people import describe, somebody

from synth.asked import AskedCount
from synth.domains import load_personas
from synth.errors import ConservationError, InputError
from synth.ingest import split_of
from synth.personas import derive as module
from synth.personas.dedup import Thresholds
from synth.personas.derive import spread_passages
from synth.personas.documents import request_recipe, settings_of
from synth.personas.requests import RELATIONS
from synth.recipe import Choices

Serve = Callable[..., FakeLlm]
Derive = Callable[..., Any]


def passages_in(fake: FakeLlm) -> list[str]:
    return [found[1] for prompt in fake.prompts if (found := re.search(r"<passage[^>]*>\n(.*?)\n</passage>", prompt))]


def test_a_persona_says_where_it_comes_from(serve: Serve, derive: Derive) -> None:
    found = derive(serve(model="qwen"), count=6)
    assert len(found.personas) == found.count.kept == 6
    for persona in found.personas:
        assert (persona.origin, persona.model, persona.relation) == ("documents", "qwen", "")
        assert re.fullmatch(r".*doc\d+#\d+", persona.parent)
        number = int(re.findall(r"doc(\d+)", persona.parent)[0])
        assert persona.licence == ("CC-BY-4.0" if number % 2 else "")
    assert len({persona.id for persona in found.personas}) == 6


def test_no_more_is_asked_than_is_needed(serve: Serve, derive: Derive) -> None:
    fake = serve()
    assert derive(fake, count=7, rounds=2).count.asked == 7
    assert len(fake.bodies) == 7


def test_every_document_is_asked_about_before_any_is_twice_and_test_documents_never(
    serve: Serve, derive: Derive
) -> None:
    train = [f"doc{n:03}" for n in range(12) if split_of(f"doc{n:03}", 0.1) == "train"]
    found = derive(serve(), count=len(train))
    owners = [re.findall(r"doc\d+", persona.parent)[0] for persona in found.personas]
    assert sorted(owners) == sorted(train)
    more = derive(serve(model="other"), count=len(train) + 5)
    owners = [re.findall(r"doc\d+", persona.parent)[0] for persona in more.personas]
    assert max(Counter(owners).values()) == 2
    assert set(owners) == set(train)


def test_a_document_of_many_passages_does_not_crowd_out_the_others(tmp_path: Path) -> None:
    rows = [Row("long", start=10 * n, end=10 * n + 5, text=f"part {n}") for n in range(20)]
    rows += [Row(f"d{n}", text=f"other {n}") for n in range(5)]
    corpus = write_corpus(tmp_path, rows)
    order = spread_passages(corpus, 0).tolist()
    assert sorted(order) == list(range(25))
    assert {rows[n].document for n in order[:6]} == {"long", "d0", "d1", "d2", "d3", "d4"}
    assert spread_passages(corpus, 0).tolist() == order != spread_passages(corpus, 1).tolist()


def test_where_all_documents_are_test_they_are_asked_about_all_the_same(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row("one", split="test"), Row("two", split="test", text="another")])
    assert sorted(spread_passages(corpus, 0).tolist()) == [0, 1]


def test_each_round_asks_for_somebody_close_to_each_persona_of_the_round_before(serve: Serve, derive: Derive) -> None:
    fake = serve()
    found = derive(fake, count=9, rounds=2)
    by_id = {persona.id: persona for persona in found.personas}
    expanded = [persona for persona in found.personas if persona.relation]
    assert len(expanded) == 6
    assert {persona.relation for persona in expanded} <= set(RELATIONS)
    assert all(persona.parent in by_id for persona in expanded)
    grandchildren = [persona for persona in expanded if by_id[persona.parent].relation]
    assert len(grandchildren) == 3
    asked = [prompt for prompt in fake.prompts if "Describe this person's" in prompt]
    assert all(f"Person: {by_id[persona.parent].text}" in "".join(asked) for persona in expanded)
    assert all(persona.licence == root_of(persona, by_id).licence for persona in expanded)


def root_of(persona: Any, by_id: dict[str, Any]) -> Any:
    while persona.parent in by_id:
        persona = by_id[persona.parent]
    return persona


def test_relations_differ_between_requests(serve: Serve, derive: Derive) -> None:
    found = derive(serve(), count=24, rounds=1)
    assert len({persona.relation for persona in found.personas}) > 4


def test_every_request_is_kept_a_duplicate_or_failed_for_a_reason(serve: Serve, derive: Derive) -> None:
    same = somebody("same")
    turned = same | {"text": " ".join(reversed(same["text"].split()))}
    padded = same | {"text": f"It is about him or her, who was once, and as they are now, only this: {same['text']}"}
    answers = [json.dumps(one) for one in (same, turned, padded)] + ['{"text": "too short"}', "no JSON at all"]

    def script(prompt: str, _asked: int) -> Say | Status:
        kind = len(fake.bodies)
        if kind <= len(answers) and "Answer the request above again" not in prompt:
            return Say(answers[kind - 1])
        return Say("{}") if "Answer the request above again" in prompt else describe(prompt, 0)

    fake = serve(script, slots=1)
    found = derive(fake, count=8)
    count = found.count
    assert len(found.personas) == count.kept == 8
    assert count.duplicate == {"embedding": 1, "minhash": 1}
    assert count.failed == {"invalid_answer": 2}
    assert count.asked == 8 + 2 + 2


def test_a_count_that_does_not_add_up_is_a_bug_of_ours() -> None:
    with pytest.raises(ConservationError, match="3 were asked for, and 2 are accounted for"):
        AskedCount(asked=3, kept=1, duplicate={}, failed={"timeout": 1})


def test_asking_again_asks_nothing_and_finds_the_same(serve: Serve, derive: Derive) -> None:
    fake = serve()
    first = derive(fake, count=12, rounds=1)
    asked = len(fake.bodies)
    again = derive(fake, count=12, rounds=1)
    assert len(fake.bodies) == asked
    assert again == first


def test_asking_for_more_pays_only_for_what_is_new(serve: Serve, derive: Derive) -> None:
    fake = serve()
    few = derive(fake, count=4)
    more = derive(fake, count=10)
    assert more.personas[:4] == few.personas
    assert len(fake.bodies) == 10


def test_other_thresholds_ask_nothing_again(serve: Serve, derive: Derive) -> None:
    fake = serve()
    derive(fake, count=10)
    strict = derive(fake, count=10, thresholds=Thresholds(minhash=0.2, embedding=0.2))
    prompts = Counter(fake.prompts)
    assert max(prompts.values()) == 1
    assert strict.count.duplicate


def test_two_servers_answer_in_any_order_and_the_file_is_the_same(serve: Serve, derive: Derive) -> None:
    def slow(prompt: str, _asked: int) -> Say:
        said = describe(prompt, 0)
        return Say(said.content, seconds=(sum(map(ord, prompt)) % 7) / 50)

    first = derive(serve(), count=12, rounds=1)
    second = derive(serve(slow), store="other", count=12, rounds=1)
    assert first == second


def test_passages_used_up_are_said_to_be(serve: Serve, derive: Derive) -> None:
    fake = serve()
    found = derive(fake, count=5_000)
    assert found.exhausted.startswith(f"each of the {len(fake.bodies)} passages was asked about once")
    assert found.count.kept == len(fake.bodies) < 5_000


def test_answers_that_bring_nobody_new_end_it(serve: Serve, derive: Derive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRUITLESS", 4)
    fake = serve(lambda prompt, asked: Say(json.dumps(somebody("the same for all"))))
    found = derive(fake, count=4)
    assert found.count.kept == 1
    assert found.exhausted == "the last 6 answers brought nobody new"
    assert len(fake.bodies) == 10


def test_a_server_that_fails_for_a_while_is_asked_again_next_time(
    serve: Serve, derive: Derive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth.llm.client.MOST_TRIES", 1)
    down = [True]
    fake = serve(
        lambda prompt, asked: Status(500) if down[0] and asked == 0 and len(fake.bodies) < 4 else describe(prompt, 0)
    )
    first = derive(fake, count=6)
    assert first.count.failed == {"http_500": 3}
    down[0] = False
    again = derive(fake, count=6)
    assert again.count.failed == {}
    assert again.count.asked == again.count.kept == 6


def test_sensitive_data_of_a_text_does_not_become_part_of_a_persona(serve: Serve, derive: Derive) -> None:
    def script(prompt: str, _asked: int) -> Say:
        said = somebody(prompt)
        said["text"] += " Write to jane.doe@example-bank.com about it."
        said["asks"][0] += " jane.doe@example-bank.com"
        return Say(json.dumps(said))

    for persona in derive(serve(script), count=3).personas:
        assert "jane.doe" not in persona.model_dump_json()


def test_a_request_has_the_schema_and_says_the_domain_and_the_text(serve: Serve, derive: Derive) -> None:
    fake = serve()
    derive(fake, count=1)
    schema = fake.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["text"]["maxLength"] == 600
    assert schema["properties"]["asks"]["maxItems"] == 5
    assert schema["additionalProperties"] is False
    assert "from the finance domain" in fake.prompts[0]
    assert len(passages_in(fake)) == 1


def test_without_a_domain_no_domain_is_named(serve: Serve, derive: Derive) -> None:
    fake = serve()
    assert derive(fake, choices={"domain": ""}, count=2, rounds=1).count.kept == 2
    assert "domain" not in "".join(fake.prompts)


def test_what_is_derived_goes_into_a_persona_file(serve: Serve, derive: Derive, tmp_path: Path) -> None:
    found = derive(serve(), count=5, rounds=1)
    file = tmp_path / "personas.jsonl"
    file.write_text("".join(persona.model_dump_json() + "\n" for persona in found.personas))
    assert load_personas(file) == found.personas


def test_neither_domain_nor_documents_and_no_server_are_one_sentence_each() -> None:
    with pytest.raises(InputError, match="give --documents PATH, or --domain NAME"):
        settings_of(Choices(domain=""))
    with pytest.raises(InputError, match="personas are derived by an LLM: add --llm"):
        request_recipe(settings_of(Choices(domain="finance")).domain, [])
