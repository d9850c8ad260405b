from __future__ import annotations

import importlib
import json
import pkgutil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import schemas
from schemas.base import Strict, canonical_json, sha256_of
from schemas.document import Document, Passage
from schemas.persona import Persona
from schemas.recipe import ChunkSettings, Domain, GateSettings, MiningSettings, PlanSettings, SplitSettings
from schemas.record import RECORD_KINDS, PassageText, ScoredPair

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def all_models() -> list[type[BaseModel]]:
    found = {}
    for info in pkgutil.iter_modules(schemas.__path__):
        for value in vars(importlib.import_module(f"schemas.{info.name}")).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__.startswith("schemas."):
                found[value.__qualname__] = value
    return list(found.values())


@pytest.mark.parametrize("model", all_models())
def test_every_model_refuses_unknown_fields_and_changes(model: type[BaseModel]) -> None:
    assert issubclass(model, Strict)
    assert model.model_config["extra"] == "forbid"
    assert model.model_config["frozen"] is True
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"no_such_field": 1})
    assert (("no_such_field",), "extra_forbidden") in [(each["loc"], each["type"]) for each in caught.value.errors()]


def test_a_model_can_not_be_changed() -> None:
    settings = ChunkSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.max_chars = 5


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (ChunkSettings, {"max_chars": 200, "min_chars": 201}, r"min_chars \(201\) is above max_chars \(200\)"),
        (ChunkSettings, {"max_chars": 99}, "greater than or equal to 100"),
        (MiningSettings, {"rank_min": 9, "rank_max": 8}, r"rank_min \(9\) is above rank_max \(8\)"),
        (MiningSettings, {"strategy": "shifted", "rank_max": 10}, r"rank_min \(11\) is above rank_max \(10\)"),
        (MiningSettings, {"sampling": "uniform", "sample_pool": 3}, r"sample_pool \(3\) is below negatives \(4\)"),
        (MiningSettings, {"strategy": "composite"}, "composite needs at least one of max_score, min_score"),
        (MiningSettings, {"relative_margin": 1.0}, "less than 1"),
        (MiningSettings, {"rank_max": 65_535}, "less than or equal to 65534"),
        (PlanSettings, {"language": {}}, "at least 1 item"),
        (PlanSettings, {"language": {"en": 0}}, "greater than 0"),
        (SplitSettings, {"test": 1.0}, "less than 1"),
        (Document, {"id": "a", "text": "", "source": "a.txt"}, "at least 1 character"),
        (Persona, {"id": "Not An Id", "text": "somebody with a long description"}, "match pattern"),
        (Persona, {"id": "short", "text": "too short"}, "at least 20 characters"),
        (PassageText, {"passage_id": "p", "document_id": "d", "text": "t", "rank": -1}, "greater than or equal to 0"),
        (
            Passage,
            {"id": "p", "document_id": "d", "text": "t", "start": 0, "end": 0, "split": "train"},
            "greater than 0",
        ),
        (
            Passage,
            {"id": "p", "document_id": "d", "text": "t", "start": 0, "end": 1, "split": "dev"},
            "'train' or 'test'",
        ),
    ],
)
def test_a_value_out_of_bounds_is_refused(model: type[BaseModel], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        model.model_validate(fields)


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ({"strategy": "perc_pos"}, {"relative_margin": 0.05}),
        ({"strategy": "perc_pos", "relative_margin": 0.2}, {"relative_margin": 0.2}),
        ({"relative_margin": 0.2}, {}),
        ({"strategy": "margin_pos"}, {"absolute_margin": 0.05}),
        ({"strategy": "abs", "min_score": 0.1}, {"max_score": 0.7, "min_score": 0.1}),
        ({"strategy": "naive"}, {}),
        ({"strategy": "composite", "max_score": 0.5}, {"max_score": 0.5}),
    ],
)
def test_a_strategy_brings_its_bound_and_others_apply_as_well(given: dict[str, Any], bounds: dict[str, float]) -> None:
    assert MiningSettings(**given).bounds == bounds


def test_only_shifted_leaves_the_best_candidates_out_by_itself() -> None:
    assert [MiningSettings(strategy=name).first_rank for name in ("naive", "shifted")] == [1, 11]
    assert MiningSettings(strategy="shifted", rank_min=5).first_rank == 5


def test_the_kind_of_a_record_is_its_name_in_the_table_of_kinds() -> None:
    assert {kind: model.model_fields["kind"].default for kind, model in RECORD_KINDS.items()} == {
        k: k for k in RECORD_KINDS
    }


def test_a_score_lies_between_zero_and_one() -> None:
    assert ScoredPair.model_json_schema()["properties"]["score"] == {
        "maximum": 1.0,
        "minimum": 0.0,
        "title": "Score",
        "type": "number",
    }


def test_two_models_do_not_share_their_default_lists() -> None:
    values = {"name": "a", "title": "A", "description": "", "corpus": "c", "personas": "p"}
    first, second = Domain.model_validate(values), Domain.model_validate(values)
    first.gates.append(GateSettings(name="mine"))
    assert [gate.name for gate in second.gates] == [
        "schema",
        "garbage",
        "text-pair",
        "evidence",
        "length",
        "language",
        "repetition",
        "truncated",
        "generic",
        "echo",
        "copy",
        "leak",
        "sensitive",
    ]


@settings(max_examples=50)
@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert canonical_json(turned) == canonical_json(value)
    assert sha256_of(turned) == sha256_of(value)
    assert json.loads(canonical_json(value)) == value


def test_canonical_json_of_a_model_is_sorted_compact_utf8() -> None:
    assert (
        canonical_json(GateSettings(name="é", settings={"b": 1, "a": [True]}))
        == '{"name":"é","settings":{"a":[true],"b":1}}'.encode()
    )
