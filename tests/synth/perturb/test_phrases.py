from __future__ import annotations

import pytest

from synth.perturb.phrases import Span, any_of, like, put, whole


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("up", "upon", False),
        ("up", "follow-up", False),
        ("up", "went UP.", True),
        ("net  loss", "net\nloss", True),
        ("improve*", "improvement", True),
        ("improve*", "disimprove", False),
        ("from #", "from $4.5m", True),
        ("from #", "from 4", True),
        ("from #", "from home", False),
        ("(#)", "a loss of (4,000)", True),
        ("$", "A$5", False),
        ("$", "($5)", True),
        ("€", "€STR", False),
        ("€", "€m", True),
        ("|", "a | b", True),
    ],
)
def test_a_phrase_is_found_where_it_stands_for_itself(phrase: str, text: str, found: bool) -> None:
    assert bool(any_of([whole(phrase)]).search(text)) == found


def test_no_phrase_is_found_nowhere() -> None:
    assert any_of([]).search("") is None


def test_each_exchange_is_told_once_in_order() -> None:
    made = put("a b a c", [Span(0, 1, "x"), Span(4, 5, "x"), Span(6, 7, "z")])
    assert made.text == "x b x z"
    assert [(change.before, change.after) for change in made.changes] == [("a", "x"), ("c", "z")]


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [("Rose", "fell", "Fell"), ("ROSE", "fell", "FELL"), ("rose", "fell", "fell"), ("M", "bn", "Bn")],
)
def test_the_case_of_what_stood_there_is_kept(before: str, after: str, written: str) -> None:
    assert like(before, after) == written


def test_an_article_follows_the_sound_of_what_comes() -> None:
    assert put("An increase", [Span(3, 11, "decrease")]).text == "A decrease"
    assert put("a decline", [Span(2, 9, "increase")]).text == "an increase"
    assert put("a €5", [Span(2, 3, "£")]).text == "a £5"
