from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from synth.doctor.domain import check_domain, longest_request
from synth.doctor.finding import Finding
from synth.domains import LoadedDomain, load_domain
from synth.resources import find_shipped

Look = Callable[..., dict[str, Finding]]


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str, str], LoadedDomain]:
    """The finance domain with one line changed."""
    for name in ("corpora", "personas", "facts", "domains"):
        shutil.copytree(find_shipped("data", name), tmp_path / name)

    def change(before: str, after: str) -> LoadedDomain:
        path = tmp_path / "domains" / "finance.yaml"
        path.write_text(path.read_text().replace(before, after))
        return load_domain(str(path))

    return change


def test_the_shipped_domain_is_well(finance_domain: LoadedDomain) -> None:
    found = check_domain(finance_domain)
    assert found.state == "ok"
    assert found.said.startswith("finance: 93 files, ")
    assert found.said.endswith("passages of up to 900 characters, scored by lexical")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("corpus: ../corpora/finance", "corpus: ../corpora/finanse", "field corpus"),
        ("personas: ../personas/finance.jsonl", "personas: ../personas/none.jsonl", "field personas"),
        ("tasks: {query-from-passage: 1}", "tasks: {query-from-pasage: 1}", "query-from-pasage"),
    ],
)
def test_what_a_domain_names_and_is_not_there_is_told(
    own: Callable[[str, str], LoadedDomain], look: Look, before: str, after: str, said: str
) -> None:
    found = look(lambda loaded: [check_domain(loaded)], own(before, after))["check"]
    assert found.state == "broken"
    assert said in found.said


def test_the_longest_request_grows_with_passages_and_tasks(own: Callable[[str, str], LoadedDomain]) -> None:
    def size(loaded: LoadedDomain) -> int:
        return sum(len(message.content) for message in longest_request(loaded))

    short = size(own("nothing", "nothing"))
    longer = size(own("max_chars: 900", "max_chars: 2900"))
    several = size(own("tasks: {query-from-passage: 1}", "tasks: {query-from-passage: 3, multi-hop-query: 1}"))
    assert longer - short == 2_000
    assert several > longer + 2_900
