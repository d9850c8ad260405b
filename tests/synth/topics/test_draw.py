"""What is drawn for documents about topics: evenly, and the same however many are asked for."""

from __future__ import annotations

from collections import Counter

import pytest

from schemas.persona import Persona
from schemas.topics import Topics
from synth.personas.scope import NOBODY
from synth.topics.draw import Draw

TREE = Topics(topics={f"b{n}": {"s": [f"leaf {n} {m}" for m in range(10)]} for n in range(25)})
PEOPLE = [Persona(id=f"p{n}", text="somebody who needs to know of it") for n in range(40)]
KINDS = {"article": 2.0, "letter": 1.0, "report": 1.0}
SIZES = {"100": 1.0, "400": 3.0}
LANGUAGES = {"de": 2.0, "en": 2.0, "zh": 1.0}


def draws(**changes: object) -> Draw:
    fields = {"kind": KINDS, "size": SIZES, "language": LANGUAGES, "model": {"m": 1.0}, "seed": 3} | changes
    return Draw(TREE, PEOPLE, **fields)  # type: ignore[arg-type]


def test_no_topic_comes_twice_before_each_came_once() -> None:
    made = draws()
    first = [made.topic(number) for number in range(250)]
    assert len(set(first)) == 250
    assert [made.topic(number) for number in range(250, 500)] == first
    assert [draws(seed=4).topic(number) for number in range(250)] != first


def test_every_beginning_has_a_share_of_each_branch() -> None:
    made = draws()
    for count in (25, 50, 125):
        branches = Counter(made.topic(number).branch for number in range(count))
        assert set(branches.values()) == {count // 25}


@pytest.mark.parametrize("count", [200, 5_000])
def test_shares_keep_to_their_weights_from_the_beginning(count: int) -> None:
    made = draws()
    found = [made.drawn(number) for number in range(count)]
    for name, weights in (("kind", KINDS), ("size", SIZES), ("language", LANGUAGES)):
        counts = Counter(each[name] for each in found)
        for value, weight in weights.items():
            assert counts[value] / count == pytest.approx(weight / sum(weights.values()), abs=0.015)
    people = Counter(made.person(number).id for number in range(count))
    assert len(people) == len(PEOPLE)
    assert max(people.values()) <= 1.5 * count / len(PEOPLE) + 1


def test_no_two_of_what_is_drawn_move_together() -> None:
    made = draws()
    together = Counter((d["kind"], d["size"], d["language"]) for d in map(made.drawn, range(5_000)))
    for kind, size, language in ((k, s, ln) for k in KINDS for s in SIZES for ln in LANGUAGES):
        share = KINDS[kind] / 4 * SIZES[size] / 4 * LANGUAGES[language] / 5
        assert together[kind, size, language] / 5_000 == pytest.approx(share, abs=0.02)


def test_without_people_nobody_is_drawn() -> None:
    assert Draw(TREE, [], KINDS, SIZES, LANGUAGES, {"m": 1.0}, 0).person(7) == NOBODY
