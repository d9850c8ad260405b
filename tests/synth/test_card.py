"""The card says what the manifest says, and its front matter names files that exist."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.manifest import Decontamination, Manifest, SuspicionCard
from schemas.recipe import GateSettings, PersonaSettings
from synth.card import Place, load_line, render_card
from synth.recipe import Choices, resolve
from synth.release import Release, build_folder
from synth.run import create_run, execute
from synth.store import Store, VersionRef
from synth.survey import Example, Survey, Writer, survey_version


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


def card_of(manifest: Manifest, place: Place | None = None, survey: Survey | None = None) -> str:
    return render_card(manifest, place or Place(), [], survey or Survey())


def with_mining(manifest: Manifest, **changes: object) -> Manifest:
    recipe = manifest.recipe.model_copy(update={"mining": manifest.recipe.mining.model_copy(update=changes)})
    suspicion = manifest.suspicion if recipe.mining.asks_probability else None
    return manifest.model_copy(update={"recipe": recipe, "suspicion": suspicion})


def test_front_matter_lists_files_that_exist(version: VersionRef, tmp_path: Path) -> None:
    build_folder(version, tmp_path, Release("acme/finance"))
    front = front_matter((tmp_path / "README.md").read_text())
    listed = [entry["path"] for config in front["configs"] for entry in config["data_files"]]
    assert sorted(listed) == sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.parquet"))
    assert [c["config_name"] for c in front["configs"]] == ["triplet", "pair", "full", "passages"]
    assert [c["config_name"] for c in front["configs"] if c.get("default")] == ["triplet"]


def test_front_matter_is_what_the_hub_indexes(manifest: Manifest) -> None:
    front = front_matter(card_of(manifest))
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
        ({"unknown": 60}, "unknown"),
        ({"Acme house terms": 60}, "other"),
        ({"MIT": 30, "Apache-2.0": 30}, "apache-2.0"),
        ({"MIT": 30, "CC BY-SA 4.0": 30}, "cc-by-sa-4.0"),
        ({"GFDL": 30, "CC BY-SA 4.0": 30}, "other"),
        ({"MIT": 30, "unknown": 30}, "unknown"),
    ],
)
def test_the_most_restrictive_licence_is_named(licences: dict[str, int], expected: str, manifest: Manifest) -> None:
    card = card_of(manifest.model_copy(update={"licences": licences}))
    assert front_matter(card)["license"] == expected
    assert ("license_name" in front_matter(card)) is (expected == "other")
    for licence, count in licences.items():
        assert f"| {licence} | {count} |" in card


def test_what_several_licences_mean_for_the_whole_is_told(manifest: Manifest) -> None:
    def told(**licences: int) -> str:
        named = {name.replace("_", "-"): count for name, count in licences.items()}
        return card_of(manifest.model_copy(update={"licences": named}))

    assert "no single licence fits the whole: what is under gfdl can't be shared under `cc-by-sa-4.0`" in told(
        gfdl=1, **{"cc-by-sa-4.0": 2}
    )
    assert "The metadata names the most restrictive of them, `apache-2.0`" in told(mit=1, **{"apache-2.0": 1})
    assert "state no licence" in told(unknown=1)
    assert "may not allow to share what was cut or written" in told(**{"cc-by-nd-4.0": 1})
    assert "most restrictive" not in told(mit=1)


@pytest.mark.parametrize(
    ("rows", "expected"), [(999, "n<1K"), (1_000, "1K<n<10K"), (123_456, "100K<n<1M"), (2_000_000_000, "1B<n<10B")]
)
def test_size_category_counts_records(rows: int, expected: str, manifest: Manifest) -> None:
    sized = manifest.model_copy(update={"splits": {"train": rows}})
    assert front_matter(card_of(sized))["size_categories"] == [expected]


def test_extractive_rows_are_called_what_they_are(manifest: Manifest) -> None:
    card = card_of(manifest)
    assert "60 of 60 queries are extractive" in card
    assert "Nobody wrote them" in card
    assert "language model" not in card
    for method, count in manifest.methods.items():
        assert f"| {method} | {count} | {count / 60:.1%} |" in card


def test_written_rows_are_called_what_they_are(manifest: Manifest) -> None:
    card = card_of(manifest.model_copy(update={"methods": {"extractive:span": 20, "llm": 40}}))
    assert "20 of 60 queries are extractive" in card
    assert "40 of 60 queries were written by a language model" in card
    assert "| llm | 40 | 66.7% |" in card


def test_the_funnel_and_the_miner_are_shown_whole(manifest: Manifest) -> None:
    card = card_of(manifest.model_copy(update={"partial": "the documents hold no more: 60 of 90"}))
    funnel = manifest.funnel
    rows = [f"| planned | | {funnel.planned} |", f"| accepted | | {funnel.accepted} |"]
    rows += [f"| rejected | {reason} | {count} |" for reason, count in funnel.rejected.items()]
    rows += [f"| {reason} | {count} |" for reason, count in manifest.candidates.items()]
    assert [row for row in rows if row not in card] == []
    assert "scored a pool of 393 passages and the best 100 were looked at" in card
    assert "(strategy `multi_signal`)" in card
    assert "This version is partial: the documents hold no more: 60 of 90." in card
    assert manifest.content_sha256 in card
    assert manifest.recipe_sha256 in card


def test_every_mining_rule_is_put_into_words(manifest: Manifest) -> None:
    assert "more than 0.1 below the positive" in card_of(
        with_mining(manifest, strategy="margin_pos", absolute_margin=0.1)
    )
    assert "its score is below that of the positive by more than 5% of it (strategy `perc_pos`)" in card_of(
        with_mining(manifest, strategy="perc_pos")
    )
    assert "it scores below 0.4 (strategy `abs`" in card_of(with_mining(manifest, strategy="abs", max_score=0.4))
    assert "whatever its score" in card_of(with_mining(manifest, strategy="naive"))
    assert "None were asked for." in card_of(with_mining(manifest, negatives=0))


def test_what_evaluation_sets_took_is_told_by_set_and_reason(manifest: Manifest) -> None:
    assert "The records were compared with no evaluation set." in card_of(manifest)
    sets = [
        Decontamination(name="exam", sha256="0", queries=12, passages=30, hits={"in_query": 2, "in_positive": 1}),
        Decontamination(name="hf://acme/other", sha256="1", queries=3, passages=0),
    ]
    card = card_of(manifest.model_copy(update={"decontamination": sets}))
    assert "| exam | 12 | 30 | in_query 2, in_positive 1 |\n| hf://acme/other | 3 | 0 | 0 |\n" in card
    assert "compared with no" not in card


def test_the_model_of_probabilities_and_its_bound_are_told(manifest: Manifest) -> None:
    suspicion = SuspicionCard(
        family="bm25", signals=["score", "between"], fitted_with="bm25", fitted_on=["one", "two"], bound=0.412
    )
    chosen = with_mining(manifest, strategy="multi_signal").model_copy(update={"suspicion": suspicion})
    card = card_of(chosen)
    assert "its probability of being an unlabelled positive is at most 41.2% (strategy `multi_signal`)" in card
    assert "as many are left out as by `perc_pos` with a margin of 5.0%" in card
    assert "the model `bm25` (score, between), fitted with bm25 on one, two." in card
    assert "false negatives are likely" not in card
    given = with_mining(chosen, max_false_negative_rate=0.412)
    assert "the bound was chosen" not in card_of(given)


def test_records_that_were_left_out_for_too_few_negatives_are_told_of(manifest: Manifest) -> None:
    assert "Each query has up to 4 hard negatives. " in card_of(manifest)
    card = card_of(with_mining(manifest, shortfall="drop"))
    assert "Each query has 4 hard negatives; records for which fewer were found were left out. " in card
    plain = card_of(with_mining(manifest, strategy="perc_pos", shortfall="drop"))
    assert "the teacher scores at or above the positive.\n" in plain


def test_failed_items_are_in_the_funnel(manifest: Manifest) -> None:
    funnel = manifest.funnel.model_copy(update={"failed": {"timeout": 3}})
    assert "| failed | timeout | 3 |" in card_of(manifest.model_copy(update={"funnel": funnel}))


def test_the_load_line_is_pinned_to_the_tag(manifest: Manifest) -> None:
    assert (
        load_line(manifest, Place("acme/fin", "v1"))
        == 'load_dataset("acme/fin", "triplet", split="train", revision="v1")'
    )
    assert load_line(manifest, Place("acme/fin", "v1")) in card_of(manifest, Place("acme/fin", "v1"))
    only_test = with_mining(manifest, negatives=0).model_copy(update={"splits": {"test": 3}, "negatives": {}})
    assert load_line(only_test, Place()) == 'load_dataset("path/to/this/folder", "pair", split="test")'


def test_an_instruction_becomes_a_prompts_argument(manifest: Manifest) -> None:
    assert 'prompts={"anchor": "Instruct: Given a finance question' in card_of(manifest)
    plain = manifest.model_copy(update={"recipe": manifest.recipe.model_copy(update={"instruction": ""})})
    assert "prompts" not in card_of(plain)


def test_instructions_that_differ_by_persona_are_not_said_to_be_shared(manifest: Manifest) -> None:
    by_persona = manifest.recipe.model_copy(update={"persona": PersonaSettings(scope="both")})
    card = card_of(manifest.model_copy(update={"recipe": by_persona}))
    assert "what its persona looks for" in card
    assert "prompts=" not in card


def test_text_from_documents_stays_inside_its_cell(manifest: Manifest) -> None:
    hostile = manifest.model_copy(update={"licences": {"a | b {{ 7 * 7 }}\n# title": 60}})
    assert r"| a \| b {{ 7 * 7 }} # title | 60 |" in card_of(hostile)


def test_made_negatives_are_told_apart_from_mined_ones(manifest: Manifest) -> None:
    assert "made negatives" not in card_of(manifest)
    made = manifest.model_copy(update={"negatives": {"mined": 9, "perturbed:period": 3}})
    card = card_of(made)
    assert "| perturbed:period | 3 |" in card
    assert "Beside them stand made negatives" in card
    assert "beside some that were made" in card
    only = with_mining(made, negatives=0)
    assert "None were asked for." not in card_of(only)
    assert "Beside the positives stand made negatives" in card_of(only)


def test_diversity_is_a_short_section_of_what_was_measured(manifest: Manifest) -> None:
    card = card_of(manifest)
    section = card.split("## Diversity")[1].split("## ")[0]
    diversity = manifest.diversity
    assert diversity is not None
    assert f"{diversity.cells.filled} of the {diversity.cells.possible} that so many records could fill" in section
    assert f"60 queries lie in {diversity.regions.regions} groups of like ones" in section
    assert section.count("\n| ") == 1 + len(diversity.coverage)
    older = card_of(manifest.model_copy(update={"diversity": None}))
    assert "## Diversity" not in older


def test_gates_stand_with_their_bounds_and_what_they_dropped(version: VersionRef) -> None:
    survey = survey_version(version)
    section = card_of(version.manifest, survey=survey).split("## Gates")[1].split("## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    recipe = version.manifest.recipe
    assert [row.split(" | ")[0][2:] for row in rows] == [gate.name for gate in (*recipe.gates, *recipe.set_gates)]
    assert "| duplicates | set | near 0.85, against [] | 14 |" in rows
    judged = recipe.model_copy(
        update={"gates": [GateSettings(name="judge"), GateSettings(name="acme", settings={"a": 1})]}
    )
    card = card_of(version.manifest.model_copy(update={"recipe": judged}))
    assert '| judge | record | ask "rubric", relevance 4, answerability 3, clarity 3, faithfulness 3' in card
    assert "| acme | record | a 1 | 0 |" in card
    dropped = sum(count for reason, count in version.manifest.funnel.rejected.items() if reason != "surplus")
    assert sum(int(row.split(" | ")[-1].rstrip(" |")) for row in rows) == dropped


def test_examples_are_drawn_by_the_hash_of_their_ids(version: VersionRef) -> None:
    survey = survey_version(version)
    assert survey.examples == survey_version(version).examples
    assert len(set(survey.examples)) == 3
    section = card_of(version.manifest, survey=survey).split("## Examples")[1].split("## ")[0]
    assert "|---|---|---|---|\n| " in section
    assert section.count("\n| ") == 4


def test_examples_stay_text_whatever_they_hold(manifest: Manifest) -> None:
    hostile = Example("llm", "a | b\n# c <script>", "`x` [l](http://x) {{ 7 * 7 }} " + "word " * 100, "")
    card = card_of(manifest, survey=Survey(examples=[hostile]))
    row = next(line for line in card.splitlines() if "script" in line)
    assert row.startswith(r"| a \| b \# c &lt;script&gt; | \`x\` \[l\](http://x) \{\{ 7 \* 7 \}\} word ")
    assert row.endswith(" … | – | llm |")


def test_models_prompts_and_their_terms_are_told(manifest: Manifest) -> None:
    survey = Survey()
    survey.writers.update({Writer("Qwen/Qwen3-8B", "b968826"): 40, Writer("acme/own", ""): 20})
    survey.negative_writers.update({"meta-llama/Llama-3.1-8B-Instruct": 7})
    survey.judges.update({"acme/judge": 60})
    written = manifest.model_copy(update={"methods": {"llm": 60}})
    card = card_of(written, survey=survey)
    assert "| Qwen/Qwen3-8B | b968826 | 40 |\n| acme/own | not told by its server | 20 |" in card
    assert "Negatives were written by meta-llama/Llama-3.1-8B-Instruct (7)." in card
    assert "Records were judged by acme/judge (60)." in card
    assert '"Llama" at the beginning of its name' in card
    assert "| acme/own | not known to synth" in card
    sha256 = manifest.recipe.prompts["query-from-passage"]
    assert f"| query-from-passage | 2 | `{sha256[:12]}` |" in card
    assert "| prompt |" not in card_of(manifest)
    older = written.model_copy(update={"recipe": manifest.recipe.model_copy(update={"prompts": {"old": "0" * 64}})})
    assert "| old | – | `000000000000` |" in card_of(older)


def test_text_pairs_are_not_called_queries_that_were_written_about_a_passage(manifest: Manifest) -> None:
    card = card_of(manifest.model_copy(update={"methods": {"llm": 40, "llm:text": 20}, "written": {"kept": 30}}))
    assert "60 records, each a query, a positive and hard negatives" in card
    assert "20 of the records are text pairs" in card
    assert "40 of 60 queries were written by a language model" in card
    assert "20 of 60 records are text pairs: their query is text of a passage" in card
    assert "as their source gave them" not in card
    assert "Each query about a passage has up to 4 hard negatives" in card
    assert "Those of text pairs were written in one answer with the positive. Of these texts:" in card
    assert "in a call of its own" not in card
    assert "text pair" not in card_of(manifest)


def test_invented_documents_are_never_passed_for_real_ones(manifest: Manifest) -> None:
    card = card_of(manifest, survey=Survey(passage_writers=Counter({"meta-llama/Llama-3.1-8B-Instruct": 50})))
    assert "The documents of 50 records were invented by a language model (meta-llama/Llama-3.1-8B-Instruct)." in card
    assert "people, cases and figures in them do not exist" in card
    assert '"Llama" at the beginning of its name' in card
    assert front_matter(card)["language_creators"] == ["machine-generated"]
    assert "invented" not in card_of(manifest)


def test_instructions_that_differ_by_record_are_not_said_to_be_shared(manifest: Manifest) -> None:
    card = card_of(manifest, survey=Survey(several_instructions=True))
    assert "Records differ in their instruction" in card
    assert "prompts=" not in card


def test_queries_that_came_with_their_source_are_not_called_written(manifest: Manifest) -> None:
    card = card_of(manifest.model_copy(update={"methods": {"imported": 60}}))
    assert "60 of 60 queries are as their source gave them" in card
    assert "language model" not in card


def test_a_model_and_its_batches_fit_the_records(manifest: Manifest) -> None:
    card = card_of(manifest, Place("acme/fin", "v1"))
    assert 'SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2")' in card
    german = manifest.model_copy(update={"language": ["de", "en"]})
    assert "paraphrase-multilingual-MiniLM-L12-v2" in card_of(german)
    assert front_matter(card_of(german))["multilinguality"] == ["multilingual"]
    untrained = card_of(manifest.model_copy(update={"splits": {"test": 3}}))
    assert "SentenceTransformerTrainer(" not in untrained


def test_limitations_are_those_of_the_version(manifest: Manifest) -> None:
    assert "It was compared with no evaluation set" in card_of(manifest)
    bare = manifest.recipe.model_copy(update={"gates": [], "set_gates": []})
    assert "No gate looked for personal data" in card_of(manifest.model_copy(update={"recipe": bare}))
