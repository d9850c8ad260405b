"""Topic trees that an LLM draws up: three levels, every name once, every request accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_llm import FakeLlm, Fill, Say
from inventing import answer

from schemas.topics import Topics
from synth.asked import recipe_of_requests
from synth.domains import load_domain
from synth.errors import InputError
from synth.progress import Silent
from synth.store import Store
from synth.topics.requests import TopicsUnder
from synth.topics.tree import Shape, derive_tree, save_tree

Serve = Callable[..., FakeLlm]
SHAPE = Shape(branches=3, sections=2, leaves=4)


@pytest.fixture
def drawn_up(reached: Any, store: Store, domain: Path) -> Callable[..., Any]:
    def draw_up(fake: FakeLlm) -> Any:
        choices, settings = reached(fake)
        told = load_domain(str(domain)).domain
        recipe = recipe_of_requests(told, choices.models, [TopicsUnder.prompt], "a tree")
        return derive_tree(recipe, (told.name, told.description), SHAPE, store, settings, Silent())

    return draw_up


def test_a_tree_is_asked_for_level_by_level(serve: Serve, drawn_up: Any, tmp_path: Path) -> None:
    fake = serve()
    found = drawn_up(fake)
    assert found.count.model_dump() == {"asked": 1 + 3 + 6, "kept": 10, "duplicate": {}, "failed": {}}
    assert len(found.topics.topics) == 3
    assert len(list(found.topics)) == 24
    assert "Ports and the law of the sea" in fake.prompts[0]
    save_tree(tmp_path / "t.yaml", found)
    assert Topics.model_validate(yaml.safe_load((tmp_path / "t.yaml").read_text())) == found.topics


def test_a_name_that_stands_there_already_is_dropped_and_a_place_left_empty_counted(
    serve: Serve, drawn_up: Any
) -> None:
    def script(prompt: str, asked: int) -> Say | Fill:
        made = answer(prompt, asked)
        assert isinstance(made, Say)
        under_first = "Place: first branch\n" in prompt
        if "Place: the whole library" in prompt:
            return Say(json.dumps({"names": ["first branch", "second branch", "FIRST branch"]}))
        return Say(json.dumps({"names": ["second branch", "first branch"]})) if under_first else made

    found = drawn_up(serve(script))
    assert list(found.topics.topics) == ["second branch"]
    assert found.count.duplicate == {"name": 1}
    assert found.count.asked == 1 + 2 + 2


def test_nothing_but_failures_is_said_in_one_sentence(serve: Serve, drawn_up: Any) -> None:
    with pytest.raises(InputError, match=r"no topic came of it \(asked 1 = kept 0 \+ failed invalid_answer 1\)"):
        drawn_up(serve(lambda _prompt, _asked: Say("{}")))
