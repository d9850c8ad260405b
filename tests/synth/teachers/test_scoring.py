from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fake_embedder import Embedder
from fake_llm import FakeLlm, fake_llm

from schemas.recipe import ScoringSettings
from synth.errors import InputError
from synth.teachers.scoring import Scoring, change_scoring, choose_scoring, reach_scoring


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm(embedder=Embedder(pairs="logit")) as server:
        yield server


def reach(teachers: list[str], **fields: Any) -> Scoring:
    return reach_scoring(choose_scoring(teachers, **fields))


def test_what_is_chosen_holds_no_address_and_can_be_typed_again(fake: FakeLlm) -> None:
    found = reach(
        ["lexical,weight=0.3", f"{fake.url},batch=4,weight=2"], fuse="weighted", rescore=f"{fake.url},batch=8"
    )
    assert found.chosen == ScoringSettings.model_validate(
        {
            "teacher": "lexical",
            "fusion": {"teachers": ["served:fake"], "method": "weighted", "weights": [0.3, 2]},
            "rescorer": "served:fake",
        }
    )
    assert (
        found.chosen.scored_by == "weighted of lexical (0.3) and served:fake (2), the first 50 rescored by served:fake"
    )
    assert [each.batch for each in (*found.reached, found.rescorer)] == [None, 4, 8]
    flags = found.flags()
    assert flags["teacher"] == ["lexical,weight=0.3", f"{fake.url},model=fake,batch=4,weight=2"]
    again = reach(flags["teacher"], **{name: flags[name] for name in ("fuse", "rescore", "rescore_depth")})
    assert again == found


def test_flags_take_the_place_of_what_a_domain_file_says() -> None:
    before = choose_scoring(["lexical", "acme/a"], "agreement", "acme/rank", 20)
    assert choose_scoring(before=before) == before
    one = choose_scoring(["acme/b"], before=before)
    assert (one.teacher, one.fusion.teachers, one.rescorer, one.rescore_depth) == ("acme/b", [], "acme/rank", 20)
    assert choose_scoring(fuse="rrf", before=before).fusion.method == "rrf"
    assert choose_scoring(rescore="", before=before).rescorer == ""


def test_a_teacher_without_a_weight_beside_others_counts_one() -> None:
    assert choose_scoring(["a,weight=3", "b"]).fusion.weights == [3, 1]
    assert choose_scoring(["a", "b"]).fusion.weights == []


@pytest.mark.parametrize(
    ("teachers", "fields", "said"),
    [
        (["lexical,weight=2"], {}, "a weight does nothing with one teacher; leave ,weight= out"),
        (["lexical", "a,weight=heavy"], {}, "the weight must be a number above 0, such as 0.3"),
        (["lexical", "a,weight=0"], {}, "the weight must be a number above 0"),
        (["lexical"], {"fuse": "rrf"}, "--fuse rrf needs several teachers; name each with --teacher"),
        ([], {"rescore_depth": 9}, "--rescore-depth does nothing without a rescorer; add --rescore MODEL"),
        (["lexical", "lexical"], {}, "the teacher 'lexical' is named twice"),
        (["lexical", "lexicall"], {}, "there is no teacher 'lexicall'; did you mean 'lexical'"),
    ],
)
def test_what_makes_no_sense_together_is_one_sentence(teachers: list[str], fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        reach(teachers, **fields)


def test_another_server_is_taken_for_the_same_models_and_no_others(fake: FakeLlm) -> None:
    found = reach(["lexical", fake.url], rescore=fake.url)
    with fake_llm(embedder=Embedder(pairs="logit")) as other, fake_llm(embedder=Embedder(), model="else") as wrong:
        changed = change_scoring(found, [other.url], f"{other.url},batch=3")
        assert (changed.reached[0], changed.reached[1].url) == (found.reached[0], other.url)
        assert (changed.rescorer.url, changed.rescorer.batch) == (other.url, 3)
        assert changed.chosen == found.chosen
        with pytest.raises(InputError, match=r"is none of the teachers .*\(lexical, served:fake\)"):
            change_scoring(found, [wrong.url], None)
        with pytest.raises(InputError, match="does not serve the model 'fake'"):
            change_scoring(found, [], wrong.url)
        with pytest.raises(InputError, match="the run was begun without a rescorer; leave --rescore out"):
            change_scoring(reach(["lexical"]), [], other.url)
