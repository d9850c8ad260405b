from __future__ import annotations

import re

import pytest

from synth import errors
from synth.errors import ConservationError, InputError, MissingExtra, RunError, SynthError, suggest


def drawn_tree() -> dict[str, str]:
    """Child -> parent, as the docstring of the module draws it."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)(\w*Error|MissingExtra|RunBusy|RunStopped)\b", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            if depth:
                parents[found[2]] = path[depth - 1]
    return parents


def test_the_tree_that_opens_the_module_is_the_real_one() -> None:
    real = {
        name: each.mro()[1].__name__
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, SynthError) and each is not SynthError
    }
    assert drawn_tree() == real
    assert len(real) <= 10


def test_what_the_user_can_fix_is_told_apart_from_the_rest() -> None:
    assert not issubclass(RunError, InputError)
    assert not issubclass(ConservationError, InputError | RunError)


def test_a_missing_extra_says_what_to_type() -> None:
    assert str(MissingExtra("reading a.pdf", "documents")) == (
        "reading a.pdf needs the extra 'documents': pip install 'synth[documents]'"
    )


@pytest.mark.parametrize(
    ("word", "known", "clause"),
    [
        ("finanse", ["law", "finance"], "; did you mean 'finance'?"),
        ("zzz", ["law", "finance"], "; known: finance, law"),
        ("zzz", [], ""),
    ],
)
def test_the_nearest_known_word_is_suggested_or_all_of_them(word: str, known: list[str], clause: str) -> None:
    assert suggest(word, known) == clause
    assert suggest(word, iter(known)) == clause
