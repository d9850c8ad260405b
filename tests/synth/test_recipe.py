from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.base import canonical_json
from schemas.recipe import Recipe
from synth.errors import DomainError, InputError
from synth.prompts import load_prompt
from synth.recipe import Choices, Resolved, resolve

DOMAIN = """\
name: tea
title: Tea
description: Leaves and water.
corpus: leaves
corpus_licence: CC0-1.0
personas: people.jsonl
limit: 7
seed: 3
chunk: {max_chars: 500, min_chars: 60}
plan:
  items_per_passage: 2
  length: {short: 1, long: 3}
mining: {negatives: 2, relative_margin: 0.1}
"""
PERSON = {"id": "taster", "text": "Somebody who tastes tea for a living."}


@pytest.fixture
def domain(tmp_path: Path) -> str:
    (tmp_path / "leaves").mkdir()
    (tmp_path / "people.jsonl").write_text(json.dumps(PERSON))
    (tmp_path / "tea.yaml").write_text(DOMAIN)
    return str(tmp_path / "tea.yaml")


def with_config(domain: str, config: str, **choices: Any) -> Resolved:
    file = Path(domain).with_name("config.yaml")
    file.write_text(config)
    return resolve(Choices(domain=domain, config=file, **choices))


def test_a_domain_file_is_enough(domain: str) -> None:
    resolved = resolve(Choices(domain=domain))
    assert resolved.name == resolved.recipe.domain == "tea"
    assert resolved.documents == (Path(domain).with_name("leaves"),)
    assert [persona.id for persona in resolved.personas] == ["taster"]
    assert (resolved.recipe.limit, resolved.licence) == (7, "CC0-1.0")
    assert resolved.recipe.prompts == {"query-from-passage": load_prompt("query-from-passage").sha256}


def test_own_documents_mean_one_full_pass_and_no_licence_of_ours(domain: str) -> None:
    mine = (Path("handbook.md"),)
    resolved = resolve(Choices(domain=domain, documents=mine))
    assert (resolved.documents, resolved.recipe.limit, resolved.licence) == (mine, None, "")
    assert resolve(Choices(domain=domain, documents=mine, limit=5)).recipe.limit == 5


def test_a_flag_wins_over_the_config_which_wins_over_the_domain(domain: str) -> None:
    assert resolve(Choices(domain=domain)).recipe.seed == 3
    assert with_config(domain, "seed: 4").recipe.seed == 4
    assert with_config(domain, "seed: 4", seed=5).recipe.seed == 5
    assert with_config(domain, "seed: 4", seed=0).recipe.seed == 0
    assert with_config(domain, "limit: 9").recipe.limit == 9
    assert with_config(domain, "limit: 9", limit=11).recipe.limit == 11
    assert with_config(domain, "teacher: some/model").recipe.teacher == "some/model"
    assert with_config(domain, "teacher: some/model", teacher="lexical").recipe.teacher == "lexical"
    assert resolve(Choices(domain=domain, name="my-tea")).name == "my-tea"


def test_a_config_changes_single_nested_settings(domain: str) -> None:
    recipe = with_config(domain, "chunk: {max_chars: 700}\nmining: {relative_margin: 0.2}\n").recipe
    assert (recipe.chunk.max_chars, recipe.chunk.min_chars) == (700, 60)
    assert (recipe.mining.relative_margin, recipe.mining.negatives) == (0.2, 2)
    assert recipe.plan.items_per_passage == 2


def test_a_config_replaces_lists_and_weights_whole(domain: str) -> None:
    recipe = with_config(domain, "gates:\n  - name: copy\nplan:\n  length: {medium: 1}\n").recipe
    assert [gate.name for gate in recipe.gates] == ["copy"]
    assert recipe.plan.length == {"medium": 1.0}
    assert recipe.plan.items_per_passage == 2


def test_a_config_names_its_own_personas(domain: str, tmp_path: Path) -> None:
    other = tmp_path / "others.jsonl"
    other.write_text(json.dumps({**PERSON, "id": "grower"}))
    assert [p.id for p in with_config(domain, f"personas: {other}").personas] == ["grower"]


def test_a_config_names_its_own_corpus(domain: str, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    resolved = with_config(domain, f"corpus: {tmp_path / 'others'}\ncorpus_licence: MIT")
    assert (resolved.documents, resolved.licence) == ((tmp_path / "others",), "MIT")


def test_personas_may_come_from_a_flag(domain: str, tmp_path: Path) -> None:
    other = tmp_path / "others.jsonl"
    other.write_text(json.dumps({**PERSON, "id": "grower"}))
    resolved = resolve(Choices(domain=domain, personas=other))
    assert [p.id for p in resolved.personas] == ["grower"]
    assert resolved.recipe.personas_sha256 != resolve(Choices(domain=domain)).recipe.personas_sha256


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("sede: 4", r"config\.yaml, line 1, field sede: unknown field; did you mean 'seed'\?"),
        ("\nchunk: {max_chars: 5}", r"config\.yaml, line 2, field chunk\.max_chars"),
        ("chunk: 5", r"config\.yaml, line 1, field chunk: Input should be a valid dictionary"),
        ("chunk: {max_chars: 100}\nmining: {x: 1}", r"config\.yaml, line 2, field mining\.x: unknown field"),
    ],
)
def test_an_error_in_the_config_names_file_line_and_field(domain: str, config: str, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        with_config(domain, config)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(domain: str, limit: int) -> None:
    with pytest.raises(DomainError, match=f"--limit .* must be at least 1, got {limit}"):
        resolve(Choices(domain=domain, limit=limit))


def test_an_error_in_a_flag_names_the_flag(domain: str) -> None:
    with pytest.raises(DomainError, match="--seed: Input should be greater than or equal to 0"):
        resolve(Choices(domain=domain, seed=-1))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("plan: {tasks: {query-from-passages: 1}}", "no task called .*did you mean 'query-from-passage'"),
        ("generator: extractiv", "no generator called .*did you mean 'extractive'"),
        ("gates: [{name: copyy}]", "no gate called .*did you mean 'copy'"),
        ("gates: [{name: copy, settings: {x: 1}}]", "gate 'copy': setting 'x'"),
        ("gates: [{name: duplicates}]", "gate 'duplicates' stands under 'gates' but belongs under 'set_gates'"),
        ("set_gates: [{name: copy}]", "gate 'copy' stands under 'set_gates' but belongs under 'gates'"),
    ],
)
def test_everything_a_recipe_names_exists_before_a_document_is_read(domain: str, config: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_config(domain, config)


def test_a_recipe_holds_no_path(domain: str, tmp_path: Path) -> None:
    for choices in (Choices(domain=domain), Choices(domain=domain, documents=(tmp_path / "mine",))):
        assert str(tmp_path).encode() not in canonical_json(resolve(choices).recipe)


def test_the_place_of_a_domain_does_not_change_the_recipe(domain: str, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("tea.yaml", "people.jsonl"):
        (moved / name).write_bytes((tmp_path / name).read_bytes())
    (moved / "leaves").mkdir()
    assert resolve(Choices(domain=str(moved / "tea.yaml"))).recipe == resolve(Choices(domain=domain)).recipe


CHANGES = {
    "domain": "coffee",
    "instruction": "other",
    "corpus_sha256": "1" * 64,
    "personas_sha256": "1" * 64,
    "prompts": {"query-from-passage": "1" * 64},
    "steps": {"judge": "1" * 64},
    "limit": 8,
    "stop": {"new_regions": 0.1, "block": 500, "after": 1_000},
    "chunk.max_chars": 501,
    "plan.items_per_passage": 3,
    "plan.length": {"short": 1.0, "long": 3.5},
    "persona.scope": "both",
    "persona.k": 6,
    "gates": [],
    "set_gates": [],
    "mining.same_document": True,
    "writing.negatives": 1,
    "perturbation.negatives": 2,
    "instructions_sha256": "1" * 64,
    "facts_sha256": "1" * 64,
    "splits.test": 0.2,
    "teacher": "other",
    "fusion.teachers": ["other"],
    "fusion.method": "weighted",
    "rescorer": "other",
    "rescore_depth": 49,
    "generator": "other",
    "models": [{"name": "qwen", "weight": 2.0, "tasks": []}],
    "sampling.temperature": 0.1,
    "seed": 4,
    "parent": {"content_sha256": "1" * 64},
}


@pytest.mark.parametrize("path", CHANGES)
def test_any_change_of_a_setting_changes_the_hash(domain: str, path: str) -> None:
    recipe = resolve(Choices(domain=domain)).recipe
    changed = recipe.model_dump(mode="json")
    owner = changed
    *parents, field = path.split(".")
    for parent in parents:
        owner = owner[parent]
    owner[field] = CHANGES[path]
    assert Recipe.model_validate(changed).sha256 != recipe.sha256


def test_every_field_of_a_recipe_is_among_the_changes_tried() -> None:
    assert {path.partition(".")[0] for path in CHANGES} == set(Recipe.model_fields)


def test_the_hash_survives_a_round_trip_through_json(domain: str) -> None:
    recipe = resolve(Choices(domain=domain)).recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()).sha256 == recipe.sha256


FACTS = "terms: {route: [{values: {oral: [oral], topical: [topical]}}]}\n"


def test_the_facts_are_read_and_hashed_where_made_negatives_are_asked_for(domain: str) -> None:
    Path(domain).with_name("facts.yaml").write_text(FACTS)
    plain = with_config(domain, "facts: facts.yaml")
    assert (plain.facts, plain.recipe.facts_sha256) == (None, "")
    asked = with_config(domain, "facts: facts.yaml\nperturbation: {negatives: 1, kinds: {route: 2}}")
    assert asked.facts is not None
    assert asked.facts.kinds == ["route"]
    Path(domain).with_name("facts.yaml").write_text(FACTS.replace("oral: [oral]", "oral: [by mouth]"))
    changed = with_config(domain, "facts: facts.yaml\nperturbation: {negatives: 1, kinds: {route: 2}}")
    assert changed.recipe.facts_sha256 not in ("", asked.recipe.facts_sha256)


@pytest.mark.parametrize(
    ("config", "facts", "message"),
    [
        (
            "perturbation: {negatives: 2}",
            FACTS,
            r"tea\.yaml, field perturbation\.negatives: 2 can't be made without a facts file; add `facts: FILE`",
        ),
        ("facts: none.yaml\nperturbation: {negatives: 1}", FACTS, r"field facts: there is no .*none\.yaml"),
        (
            "facts: facts.yaml\nperturbation: {negatives: 1, kinds: {rout: 1}}",
            FACTS,
            r"field perturbation\.kinds: facts\.yaml knows no kind 'rout'; did you mean 'route'\?",
        ),
        (
            "facts: facts.yaml\nperturbation: {negatives: 1}",
            "language: en\nyears:\n  amount: [shares]\n",
            r"facts\.yaml, line 3, field years\.amount: unknown field",
        ),
        ("perturbation: {negatives: 9}", FACTS, r"config\.yaml, line 1, field perturbation\.negatives: "),
        ("perturbation: {kinds: {period: 0}}", FACTS, r"config\.yaml, line 1, field perturbation\.kinds\.period: "),
    ],
)
def test_made_negatives_that_can_not_be_made_are_one_sentence(
    domain: str, config: str, facts: str, message: str
) -> None:
    Path(domain).with_name("facts.yaml").write_text(facts)
    with pytest.raises(DomainError, match=message):
        with_config(domain, config)


def test_documents_that_state_no_licence_get_the_one_that_is_given(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("Gold is a metal.")
    assert resolve(Choices("finance", documents=(file,), licence="CC BY 4.0")).licence == "CC BY 4.0"
    assert resolve(Choices("finance", documents=(file,))).licence == ""
    assert resolve(Choices("finance")).licence == "Apache-2.0"
    with pytest.raises(InputError, match="--licence is that of your documents: name them with --documents"):
        resolve(Choices("finance", licence="mit"))
    with pytest.raises(InputError, match="--licence 'unknown' names no licence"):
        resolve(Choices("finance", documents=(file,), licence="unknown"))
