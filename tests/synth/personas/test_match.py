from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from corpora import build_corpus, make_recipe

from schemas.persona import Persona
from schemas.recipe import PersonaSettings
from synth.errors import InputError
from synth.personas.match import FILE, match_personas
from synth.progress import Silent
from synth.run import Run, execute, prepare
from synth.teachers.lexical import Lexical

TOP = {"persona": {"match": "top-k", "k": 3}, "set_gates": []}
PEOPLE = [
    Persona(id="nurse", text="A ward nurse who checks antibiotic doses.", asks=["antibiotic dose by weight"]),
    Persona(id="banker", text="A banker who reads covenant resets.", asks=["covenant reset", "leverage"]),
    Persona(id="farmer", text="A farmer who plans the wheat harvest.", asks=["wheat moisture at harvest"]),
]
TEXTS = [
    "The covenant was reset at four times leverage after the borrower had asked its lenders for a year of grace.",
    "Wheat is cut when its moisture falls under fifteen per cent, or else the harvest has to be dried at a cost.",
    "The dose of this antibiotic is ten milligrams for each kilogram of body weight, in two parts, every day.",
    "A choir sang in the cathedral until midnight while snow fell on the roofs of the quiet town around it.",
]


def table(folder: Path, k: int, people: list[Persona] = PEOPLE) -> list[list[int]]:
    recipe = make_recipe(persona=PersonaSettings(match="top-k", k=k))
    corpus = build_corpus(folder / f"corpus-{k}", TEXTS)
    teacher = Lexical("lexical", folder / f"teacher-{k}", folder)
    teacher.index(corpus, Silent())
    nearest = match_personas(recipe, corpus, people, teacher, folder / f"corpus-{k}", Silent())
    assert nearest is not None
    rows: list[list[int]] = nearest.tolist()
    return rows


def items(run: Run) -> list[dict[str, Any]]:
    return [row for path in sorted((run.folder / "items").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_a_passage_gets_the_personas_who_would_ask_about_it(tmp_path: Path) -> None:
    """Numbers are of ids in order: banker, farmer, nurse."""
    assert [row[0] for row in table(tmp_path, 2)] == [0, 1, 2, -1]


def test_k_may_be_more_than_there_are_personas(tmp_path: Path) -> None:
    assert np.shape(table(tmp_path, 50)) == (4, 3)


def test_the_order_of_the_persona_file_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "turned").mkdir()
    assert table(tmp_path, 3) == table(tmp_path / "turned", 3, PEOPLE[::-1])


@pytest.mark.slow
def test_every_item_is_asked_by_one_of_the_nearest(new_run: Callable[..., Run]) -> None:
    run = new_run(limit=60, settings=TOP)
    execute(run)
    nearest = np.load(run.folder / FILE)
    ids = sorted(persona.id for persona in run.personas)
    rows = items(run)
    assert nearest.shape[1] == 3
    assert all(row["persona"] in {ids[n] for n in nearest[row["passage"]]} for row in rows)
    by_passage: dict[int, set[str]] = {}
    for row in rows:
        by_passage.setdefault(row["passage"], set()).add(row["persona"])
    whole = [people for passage, people in by_passage.items() if (nearest[passage] >= 0).all()]
    assert sum(len(people) == 3 for people in whole) > 0.9 * len(whole)


@pytest.mark.slow
def test_the_table_is_made_once_and_other_processes_read_it(
    new_run: Callable[..., Run], restarted: Callable[[Run], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(limit=40, settings=TOP)
    prepare(run, Silent())
    elsewhere = restarted(run)
    first = execute(run)

    def fail(*_: object) -> None:
        raise AssertionError("the table was there")

    monkeypatch.setattr(Lexical, "nearest", fail)
    assert execute(elsewhere).manifest.content_sha256 == first.manifest.content_sha256
    assert items(elsewhere) == items(run)


@pytest.mark.slow
def test_the_same_documents_and_personas_match_the_same_way(make: Callable[..., Any]) -> None:
    first, second = (make(limit=40, settings=TOP, shard_size=size) for size in (1_000, 37))
    assert first.hash == second.hash
    assert (first.run.folder / FILE).read_bytes() == (second.run.folder / FILE).read_bytes()


def test_where_personas_are_random_or_none_nothing_is_matched(new_run: Callable[..., Run]) -> None:
    for persona in ({"match": "random"}, {"match": "top-k", "scope": "none"}):
        run = new_run(limit=5, settings={"persona": persona})
        prepare(run, Silent())
        assert not (run.folder / FILE).exists()


def test_matching_does_not_leave_the_asking_to_a_few(new_run: Callable[..., Run]) -> None:
    """Over the shipped domain: who asks, with and without matching."""
    used: dict[str, Counter[str]] = {}
    for match in ("random", "top-k"):
        run = new_run(settings={"persona": {"match": match}}, limit=400)
        plan = prepare(run, Silent()).plan
        used[match] = Counter(item.persona for item in plan.items(0, plan.items_per_round))
    share = {match: max(counts.values()) / counts.total() for match, counts in used.items()}
    assert len(used["random"]) == 66
    assert len(used["top-k"]) >= 60
    assert share["top-k"] < 0.12


@pytest.mark.slow
def test_a_plan_shows_the_personas_that_the_run_will_have(
    new_run: Callable[..., Run], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from synth.cli.plan import plan

    run = new_run(limit=20, settings=TOP)
    execute(run)
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(TOP))
    plan(domain="finance", limit=20, config=config, store=str(run.store.root), show=20, as_json=True)
    shown = json.loads(capfdbinary.readouterr().out)
    assert [item["persona"] for item in shown["items"]] == [row["persona"] for row in items(run)][:20]


def test_a_teacher_that_can_not_compare_personas_is_named(tmp_path: Path) -> None:
    recipe = make_recipe(persona=PersonaSettings(match="top-k"), teacher="acme")
    corpus = build_corpus(tmp_path, TEXTS)
    with pytest.raises(InputError, match="the teacher 'acme' can't compare personas; give 'lexical' or"):
        match_personas(recipe, corpus, PEOPLE, object(), tmp_path, Silent())  # type: ignore[arg-type]
