from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import Say, fake_llm
from judging import answering, knows, query_in

from synth.errors import InputError
from synth.llm.settings import reach
from synth.mining.judging import LabelJudge
from synth.mining.llm_judge import llm_judges
from synth.mining.miner import HardNegativeMiner, MinedDataset
from synth.mining.relabel import relabel_false_negatives
from synth.mining.table import retrieve
from synth.pairs import Pairs
from synth.store import Store

METALS = ("gold", "tin", "copper", "zinc", "silver", "lead", "iron", "nickel")


def some_pairs() -> Pairs:
    """Queries of two sources; each metal has a positive, an answer that nobody labelled, and there is much else."""
    pairs = Pairs()
    for number, metal in enumerate(METALS):
        own = pairs.add_passage(f"The price of {metal} rose by {number + 2} percent today.")
        pairs.add(f"what is the price of {metal}", [own], source=("news", "forum")[number % 2])
        pairs.add_passage(f"Traders paid more for {metal} today: its price rose.")
        pairs.add_passage(f"A mine of {metal} was opened in the north by a new firm.")
    return pairs.by_text()


def unlabelled(pairs: Pairs) -> set[tuple[str, str]]:
    """What answers a query and is no labelled positive."""
    return {(f"what is the price of {m}", f"Traders paid more for {m} today: its price rose.") for m in METALS}


def truth(pairs: Pairs) -> set[tuple[str, str]]:
    own = {(q, pairs.passages[p[0]]) for q, p in zip(pairs.queries, pairs.positives, strict=True)}
    return own | unlabelled(pairs)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return some_pairs()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def mine(pairs: Pairs, store: Store, **settings: Any) -> MinedDataset:
    chosen = {"strategy": "naive", "negatives": 4} | settings
    return HardNegativeMiner(**chosen).mine(pairs, retrieve(pairs, "lexical", store=store, depth=24))


@pytest.fixture(scope="module")
def mined(pairs: Pairs, store: Store) -> MinedDataset:
    return mine(pairs, store)


@pytest.fixture(scope="module")
def judge(pairs: Pairs) -> LabelJudge:
    found = truth(pairs)
    return LabelJudge.of([(q, p, (q, p) in found) for q in pairs.queries for p in pairs.passages])


def rows_of(mined: MinedDataset) -> list[dict[str, Any]]:
    return [row for table in mined.records() for row in table.to_pylist()]


def negatives(mined: MinedDataset) -> list[tuple[str, str]]:
    return [(row["query"], each["text"]) for row in rows_of(mined) for each in row["negatives"]]


def verdicts(mined: MinedDataset) -> dict[str, int]:
    assert mined.report.relabelled is not None
    found: dict[str, int] = mined.report.relabelled["verdicts"]
    return found


def adds_up(before: MinedDataset, after: MinedDataset) -> bool:
    told, said = after.report.relabelled, verdicts(after)
    assert told is not None
    by_source = sum(sum(counts.values()) for counts in told["by_source"].values())
    return (
        sum(told["negatives"].values()) == before.report.negatives
        and said["asked"] == by_source == sum(said[name] for name in ("answers", "disputed", "clear", "unknown"))
        and sum(told["unknown"].values()) == said["unknown"]
        and told["negatives"]["kept"] == after.report.negatives == len(after.negatives.passage)
        and after.report.short == sum(row["short"] for row in rows_of(after))
    )


def test_an_llm_finds_exactly_the_planted_false_negatives_and_they_are_dropped(
    pairs: Pairs, mined: MinedDataset, tmp_path: Path
) -> None:
    planted = unlabelled(pairs)
    assert planted < set(negatives(mined))
    with fake_llm(knows(truth(pairs))) as fake:
        cleaned = relabel_false_negatives(mined, llm_judges(reach([fake.url]), Store(tmp_path)))
        assert len(fake.bodies) == 2 * len(METALS)
        again = relabel_false_negatives(mined, llm_judges(reach([fake.url]), Store(tmp_path)))
        assert len(fake.bodies) == 2 * len(METALS)
    assert negatives(cleaned) == [each for each in negatives(mined) if each not in planted]
    assert negatives(again) == negatives(cleaned)
    assert verdicts(cleaned) == {"asked": 32, "answers": 8, "disputed": 0, "clear": 24, "unknown": 0}
    assert all(row["short"] for row in rows_of(cleaned))
    assert cleaned.report.short == len(METALS)
    assert adds_up(mined, cleaned)
    assert orjson.loads(cleaned.report.as_json())["relabelled"]["negatives"]["dropped"] == 8


def test_what_is_promoted_becomes_a_positive_of_its_row(pairs: Pairs, mined: MinedDataset, judge: LabelJudge) -> None:
    after = relabel_false_negatives(mined, [judge], action="promote")
    for row in rows_of(after):
        assert [(row["query"], each["text"]) for each in row["more_positives"]] == [
            each for each in unlabelled(pairs) if each[0] == row["query"]
        ]
        assert row["positive"]["text"] == pairs.passages[pairs.positives[pairs.queries.index(row["query"])][0]]
        assert row["more_positives"][0]["score"] > 0
        assert len(row["negatives"]) == 3
    assert adds_up(mined, after)
    assert after.report.relabelled is not None
    assert after.report.relabelled["negatives"] == {"kept": 24, "promoted": 8, "dropped": 0, "of_dropped_rows": 0}


def test_a_pair_format_has_a_row_for_each_promoted_positive(
    mined: MinedDataset, judge: LabelJudge, tmp_path: Path
) -> None:
    after = relabel_false_negatives(mined, [judge], action="promote")
    assert pq.read_table(after.write(tmp_path, "pair")).num_rows == 2 * len(METALS)


def test_grades_stand_beside_the_negatives_in_full_and_nowhere_else(
    pairs: Pairs, mined: MinedDataset, tmp_path: Path
) -> None:
    labels = [(query, text, 1.0) for query, text in unlabelled(pairs)] + [
        (query, text, 0.0) for query, text in negatives(mined)[:10] if (query, text) not in unlabelled(pairs)
    ]
    after = relabel_false_negatives(mined, [LabelJudge.of(labels)], action="grade")
    assert negatives(after) == negatives(mined)
    rows = pq.read_table(after.write(tmp_path, "full")).to_pylist()
    grades = {(row["query"], each["text"]): each["grade"] for row in rows for each in row["negatives"]}
    known = {(query, text): 2 * label for query, text, label in labels}
    assert grades == {each: known.get(each) for each in negatives(mined)}
    assert None in grades.values()
    with pytest.raises(InputError, match="'triplet' has no place for grades"):
        after.write(tmp_path, "triplet")
    assert adds_up(mined, after)


def test_what_the_orders_disagree_on_is_dropped_and_never_promoted(
    pairs: Pairs, mined: MinedDataset, tmp_path: Path
) -> None:
    found, planted = truth(pairs), unlabelled(pairs)

    def script(prompt: str, _: int) -> Say:
        """Finds what nobody labelled only where it stands behind a passage that it knows."""
        return answering(prompt, lambda q, t, n: (q, t) in found and ((q, t) not in planted or n > 3))

    with fake_llm(script) as fake:
        after = relabel_false_negatives(mined, llm_judges(reach([fake.url]), Store(tmp_path)), action="promote")
    assert verdicts(after)["disputed"] == 8
    assert verdicts(after)["answers"] == 0
    assert all(row["more_positives"] == [] for row in rows_of(after))
    assert not planted & set(negatives(after))
    assert adds_up(mined, after)


def test_what_can_not_be_read_is_unknown_and_neither_dropped_nor_called_clear(
    pairs: Pairs, mined: MinedDataset, tmp_path: Path
) -> None:
    def script(prompt: str, _: int) -> Say:
        return Say("?") if "tin" in query_in(prompt) else knows(truth(pairs))(prompt, 0)  # type: ignore[return-value]

    with fake_llm(script) as fake:
        judges = llm_judges(reach([fake.url]), Store(tmp_path))
        after = relabel_false_negatives(mined, judges)
        graded = relabel_false_negatives(mined, judges, action="grade")
    assert verdicts(after) == {"asked": 32, "answers": 7, "disputed": 0, "clear": 21, "unknown": 4}
    assert after.report.relabelled is not None
    assert after.report.relabelled["unknown"] == {"invalid_json": 4}
    assert len([text for query, text in negatives(after) if query.endswith(" tin")]) == 4
    for row in rows_of(graded):
        assert all((each["grade"] is None) == row["query"].endswith(" tin") for each in row["negatives"])


def test_a_second_judge_has_the_last_word(pairs: Pairs, mined: MinedDataset, judge: LabelJudge, tmp_path: Path) -> None:
    with fake_llm(lambda prompt, _: answering(prompt, lambda *_: True), model="small") as small:
        small_judge = llm_judges(reach([small.url]), Store(tmp_path))
        after = relabel_false_negatives(mined, [*small_judge, judge])
        alone = relabel_false_negatives(mined, small_judge)
    assert verdicts(alone)["answers"] == 32
    assert set(negatives(mined)) - set(negatives(after)) == unlabelled(pairs)
    assert after.report.relabelled is not None
    assert after.report.relabelled["judge"] == "small then labels"


def test_only_negatives_in_the_band_are_asked_about(mined: MinedDataset, judge: LabelJudge) -> None:
    share = mined.negatives.score / mined.anchors()[np.repeat(np.arange(len(METALS)), mined.negatives.found)]
    middle = float(np.median(share))
    after = relabel_false_negatives(mined, [judge], band=(middle, 10.0), action="grade")
    assert 0 < verdicts(after)["asked"] == (share >= middle).sum() < 32
    assert after.grade is not None
    assert ((after.grade >= 0) == (share >= middle)).all()
    none = relabel_false_negatives(mined, [judge], band=(9.0, 10.0))
    assert verdicts(none)["asked"] == 0
    assert negatives(none) == negatives(mined)


def test_a_band_means_the_same_for_scores_below_zero(mined: MinedDataset, judge: LabelJudge) -> None:
    """A logit of -5.5 lies 10 % below a positive of -5, as 4.5 does below one of 5."""
    known = mined.negatives
    own = np.repeat(known.positive_score[np.cumsum(known.known) - known.known], known.found)
    gap = ((own - known.score) / own).astype(np.float32)

    def asked(anchor: float) -> int:
        positives = np.full_like(known.positive_score, anchor)
        scores = replace(known, positive_score=positives, score=anchor - abs(anchor) * gap)
        return verdicts(relabel_false_negatives(replace(mined, negatives=scores), [judge], band=(0.4, 0.9)))["asked"]

    assert 0 < asked(5.0) == asked(-5.0) < len(known.score)


def test_a_band_is_of_probabilities_where_the_miner_asked_for_them(
    pairs: Pairs, store: Store, judge: LabelJudge
) -> None:
    table = retrieve(pairs, "lexical", store=store, depth=24, evidence=True)
    mined = HardNegativeMiner(strategy="composite", max_false_negative_rate=0.9, negatives=4).mine(pairs, table)
    probability = mined.negatives.probability.astype(np.float64).round(6)
    low, high = np.quantile(probability, [0.5, 0.9]).tolist()
    inside = (probability >= low) & (probability <= high)
    after = relabel_false_negatives(mined, [judge], band=(low, high), action="grade")
    assert after.grade is not None
    assert ((after.grade >= 0) == inside).all()
    assert 0 < verdicts(after)["asked"] == inside.sum() < len(probability)
    assert after.report.relabelled is not None
    assert after.report.relabelled["band_of"] == "probability"
    with pytest.raises(InputError, match="the band 0.95 to 1 holds nothing: .* no negative has more than 0.9;"):
        relabel_false_negatives(mined, [judge], band=(0.95, 1.0))
    with pytest.raises(InputError, match="the band 0.5 to 2 holds nothing"):
        relabel_false_negatives(mined, [judge], band=(0.5, 2.0))


def test_a_query_with_too_many_false_negatives_is_dropped_with_its_reason(pairs: Pairs, mined: MinedDataset) -> None:
    tin = "what is the price of tin"
    judge = LabelJudge.of([(tin, text, 1) for text in pairs.passages])
    kept = relabel_false_negatives(mined, [judge], max_flagged=4)
    assert len(rows_of(kept)) == len(METALS)
    after = relabel_false_negatives(mined, [judge], max_flagged=3)
    assert {row["query"] for row in rows_of(after)} == set(pairs.queries) - {tin}
    assert after.report.relabelled is not None
    assert after.report.relabelled["dropped_queries"] == {"too_many_flagged": 1}
    assert (after.report.dropped, after.report.relabelled["negatives"]["of_dropped_rows"]) == (1, 4)
    assert adds_up(mined, after)


def test_short_rows_are_dropped_where_the_miner_was_to_drop_them(pairs: Pairs, store: Store) -> None:
    tin = "what is the price of tin"
    only_tin = LabelJudge.of([(query, text, 1) for query, text in unlabelled(pairs) if query == tin])
    before = mine(pairs, store, shortfall="drop")
    after = relabel_false_negatives(before, [only_tin])
    assert len(rows_of(before)) - len(rows_of(after)) == 1
    assert after.report.relabelled is not None
    assert after.report.relabelled["dropped_queries"] == {"short": 1}
    assert after.report.dropped == before.report.dropped + 1


def test_no_row_is_filled_up_again(mined: MinedDataset, judge: LabelJudge) -> None:
    assert set(negatives(relabel_false_negatives(mined, [judge]))) < set(negatives(mined))


def test_a_passage_that_answers_leaves_every_row_of_its_query(tmp_path: Path) -> None:
    metals = [f"{metal} is a metal that is traded" for metal in METALS]
    pairs = Pairs.of(["which metal is traded"], [metals[:2]], metals)
    before = mine(pairs, Store(tmp_path), positive_anchor="each", negatives=3)
    found = before.negatives.passage[0]
    judge = LabelJudge.of([("which metal is traded", pairs.passages[found], 1)])
    assert (before.negatives.passage == found).sum() == 2
    for action in ("drop", "promote"):
        after = relabel_false_negatives(before, [judge], action=action)  # type: ignore[arg-type]
        assert found not in after.negatives.passage
        assert (after.negatives.positive == found).sum() == (action == "promote")
        assert verdicts(after)["answers"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action": "dropp"}, "false negatives can't be 'dropp'; did you mean 'drop'?"),
        ({"band": (1.0, 0.5)}, "the band 1 to 0.5 holds nothing"),
        ({"judges": []}, "nobody judges the negatives"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    mined: MinedDataset, judge: LabelJudge, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as raised:
        relabel_false_negatives(mined, **{"judges": [judge], **options})
    assert message in str(raised.value)
