"""The card says what the manifest says, and its front matter names files that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.manifest import Decontamination, Manifest, SuspicionCard
from schemas.recipe import PersonaSettings
from synth.card import load_line, render_card
from synth.hub import build_folder
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> VersionRef:
    store = Store(tmp_path_factory.mktemp("card") / "store")
    return execute(create_run(resolve(Choices(domain="finance", limit=60)), store))


@pytest.fixture(scope="module")
def manifest(version: VersionRef) -> Manifest:
    return version.manifest


def front_matter(card: str) -> dict[str, Any]:
    value = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(value, dict)
    return value


def with_mining(manifest: Manifest, **changes: object) -> Manifest:
    recipe = manifest.recipe.model_copy(update={"mining": manifest.recipe.mining.model_copy(update=changes)})
    return manifest.model_copy(update={"recipe": recipe})


def test_front_matter_lists_files_that_exist(version: VersionRef, tmp_path: Path) -> None:
    build_folder(version, tmp_path, "acme/finance")
    front = front_matter((tmp_path / "README.md").read_text())
    listed = [entry["path"] for config in front["configs"] for entry in config["data_files"]]
    assert sorted(listed) == sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.parquet"))
    assert [c["config_name"] for c in front["configs"]] == ["triplet", "pair", "full", "passages"]
    assert [c["config_name"] for c in front["configs"] if c.get("default")] == ["triplet"]


def test_front_matter_is_what_the_hub_indexes(manifest: Manifest) -> None:
    front = front_matter(render_card(manifest, None, []))
    assert front["license"] == "apache-2.0"
    assert front["language"] == ["en"]
    assert front["task_categories"] == ["sentence-similarity", "text-retrieval", "feature-extraction"]
    assert front["size_categories"] == ["n<1K"]
    assert front["annotations_creators"] == ["machine-generated"]
    assert front["tags"] == ["sentence-transformers", "synthetic", "embeddings", "synth"]


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        ({"CC-BY-4.0": 60}, "cc-by-4.0"),
        ({"Apache 2.0": 60}, "apache-2.0"),
        ({"unknown": 60}, "other"),
        ({"Acme house terms": 60}, "other"),
        ({"MIT": 30, "Apache-2.0": 30}, "other"),
        ({"MIT": 30, "unknown": 30}, "other"),
    ],
)
def test_a_licence_is_named_only_where_it_is_certain(
    licences: dict[str, int], expected: str, manifest: Manifest
) -> None:
    card = render_card(manifest.model_copy(update={"licences": licences}), None, [])
    assert front_matter(card)["license"] == expected
    for licence, count in licences.items():
        assert f"| {licence} | {count} |" in card


@pytest.mark.parametrize(
    ("rows", "expected"), [(999, "n<1K"), (1_000, "1K<n<10K"), (123_456, "100K<n<1M"), (2_000_000_000, "1B<n<10B")]
)
def test_size_category_counts_records(rows: int, expected: str, manifest: Manifest) -> None:
    sized = manifest.model_copy(update={"splits": {"train": rows}})
    assert front_matter(render_card(sized, None, []))["size_categories"] == [expected]


def test_extractive_rows_are_called_what_they_are(manifest: Manifest) -> None:
    card = render_card(manifest, None, [])
    assert "60 of 60 queries are extractive" in card
    assert "Nobody wrote them" in card
    assert "language model" not in card
    for method, count in manifest.methods.items():
        assert f"| {method} | {count} | {count / 60:.1%} |" in card


def test_written_rows_are_called_what_they_are(manifest: Manifest) -> None:
    card = render_card(manifest.model_copy(update={"methods": {"extractive:span": 20, "llm": 40}}), None, [])
    assert "20 of 60 queries are extractive" in card
    assert "40 of 60 queries were written by a language model" in card
    assert "| llm | 40 | 66.7% |" in card


def test_the_funnel_and_the_miner_are_shown_whole(manifest: Manifest) -> None:
    card = render_card(manifest.model_copy(update={"partial": "the documents hold no more: 60 of 90"}), None, [])
    funnel = manifest.funnel
    rows = [f"| planned | | {funnel.planned} |", f"| accepted | | {funnel.accepted} |"]
    rows += [f"| rejected | {reason} | {count} |" for reason, count in funnel.rejected.items()]
    rows += [f"| {reason} | {count} |" for reason, count in manifest.candidates.items()]
    assert [row for row in rows if row not in card] == []
    assert "scored a pool of 393 passages and the best 100 were looked at" in card
    assert "its score is below that of the positive by more than 5% of it (strategy `perc_pos`)" in card
    assert "This version is partial: the documents hold no more: 60 of 90." in card
    assert manifest.content_sha256 in card
    assert manifest.recipe_sha256 in card


def test_every_mining_rule_is_put_into_words(manifest: Manifest) -> None:
    assert "more than 0.1 below the positive" in render_card(
        with_mining(manifest, strategy="margin_pos", absolute_margin=0.1), None, []
    )
    assert "it scores below 0.4 (strategy `abs`" in render_card(
        with_mining(manifest, strategy="abs", max_score=0.4), None, []
    )
    assert "whatever its score" in render_card(with_mining(manifest, strategy="naive"), None, [])
    assert "None were asked for." in render_card(with_mining(manifest, negatives=0), None, [])


def test_what_evaluation_sets_took_is_told_by_set_and_reason(manifest: Manifest) -> None:
    assert "The records were compared with no evaluation set." in render_card(manifest, None, [])
    sets = [
        Decontamination(name="exam", sha256="0", queries=12, passages=30, hits={"in_query": 2, "in_positive": 1}),
        Decontamination(name="hf://acme/other", sha256="1", queries=3, passages=0),
    ]
    card = render_card(manifest.model_copy(update={"decontamination": sets}), None, [])
    assert "| exam | 12 | 30 | in_query 2, in_positive 1 |\n| hf://acme/other | 3 | 0 | 0 |\n" in card
    assert "compared with no" not in card


def test_the_model_of_probabilities_and_its_bound_are_told(manifest: Manifest) -> None:
    suspicion = SuspicionCard(
        family="bm25", signals=["score", "between"], fitted_with="bm25", fitted_on=["one", "two"], bound=0.412
    )
    chosen = with_mining(manifest, strategy="multi_signal").model_copy(update={"suspicion": suspicion})
    card = render_card(chosen, None, [])
    assert "its probability of being an unlabelled positive is at most 41.2% (strategy `multi_signal`)" in card
    assert "as many are left out as by `perc_pos` with a margin of 5.0%" in card
    assert "the model `bm25` (score, between), fitted with bm25 on one, two." in card
    assert "false negatives are likely" not in card
    given = with_mining(chosen, max_false_negative_rate=0.412)
    assert "the bound was chosen" not in render_card(given, None, [])


def test_records_that_were_left_out_for_too_few_negatives_are_told_of(manifest: Manifest) -> None:
    assert "Each query has up to 4 hard negatives. " in render_card(manifest, None, [])
    card = render_card(with_mining(manifest, shortfall="drop"), None, [])
    assert "Each query has 4 hard negatives; records for which fewer were found were left out. " in card
    assert "the teacher scores at or above the positive.\n" in card


def test_failed_items_are_in_the_funnel(manifest: Manifest) -> None:
    funnel = manifest.funnel.model_copy(update={"failed": {"timeout": 3}})
    assert "| failed | timeout | 3 |" in render_card(manifest.model_copy(update={"funnel": funnel}), None, [])


def test_the_load_line_is_pinned_to_the_tag(manifest: Manifest) -> None:
    assert load_line(manifest, "acme/fin") == 'load_dataset("acme/fin", "triplet", split="train", revision="v1")'
    assert load_line(manifest, "acme/fin") in render_card(manifest, "acme/fin", [])
    only_test = with_mining(manifest, negatives=0).model_copy(update={"splits": {"test": 3}, "negatives": {}})
    assert load_line(only_test, None) == 'load_dataset("path/to/this/folder", "pair", split="test")'


def test_an_instruction_becomes_a_prompts_argument(manifest: Manifest) -> None:
    assert 'prompts={"anchor": "Instruct: Given a finance question' in render_card(manifest, None, [])
    plain = manifest.model_copy(update={"recipe": manifest.recipe.model_copy(update={"instruction": ""})})
    assert "prompts" not in render_card(plain, None, [])


def test_instructions_that_differ_by_persona_are_not_said_to_be_shared(manifest: Manifest) -> None:
    by_persona = manifest.recipe.model_copy(update={"persona": PersonaSettings(scope="both")})
    card = render_card(manifest.model_copy(update={"recipe": by_persona}), None, [])
    assert "what its persona looks for" in card
    assert "prompts=" not in card


def test_text_from_documents_stays_inside_its_cell(manifest: Manifest) -> None:
    hostile = manifest.model_copy(update={"licences": {"a | b {{ 7 * 7 }}\n# title": 60}})
    assert r"| a \| b {{ 7 * 7 }} # title | 60 |" in render_card(hostile, None, [])


def test_made_negatives_are_told_apart_from_mined_ones(manifest: Manifest) -> None:
    assert "made negatives" not in render_card(manifest, None, [])
    made = manifest.model_copy(update={"negatives": {"mined": 9, "perturbed:period": 3}})
    card = render_card(made, None, [])
    assert "| perturbed:period | 3 |" in card
    assert "Beside them stand made negatives" in card
    assert "beside some made by changing a fact" in card
    only = with_mining(made, negatives=0)
    assert "None were asked for." not in render_card(only, None, [])
    assert "Beside the positives stand made negatives" in render_card(only, None, [])


def test_diversity_is_a_short_section_of_what_was_measured(manifest: Manifest) -> None:
    card = render_card(manifest, None, [])
    section = card.split("## Diversity")[1].split("## ")[0]
    diversity = manifest.diversity
    assert diversity is not None
    assert f"{diversity.cells.filled} of the {diversity.cells.possible} that so many records could fill" in section
    assert f"60 queries lie in {diversity.regions.regions} groups of like ones" in section
    assert section.count("\n| ") == 1 + len(diversity.coverage)
    older = render_card(manifest.model_copy(update={"diversity": None}), None, [])
    assert "## Diversity" not in older
