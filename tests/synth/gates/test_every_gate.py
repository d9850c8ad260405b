from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.recipe import GateSettings
from schemas.record import Pair
from synth import registry
from synth.gates import RecordGate, build_gate

MakePair = Callable[..., Pair]

QUERIES = [
    "Why did net sales grow by 8% in 2022?",
    "Net sales increased 8% during 2022 compared to 2021, driven by higher sales of iPhone",
    "Quelle est la politique de dividende de la société pour l'exercice 2019 ?",
    "who answers at ana@acme.io?",
    '{"query": "what?"}<|im_end|>',
    "x",
    " ",
]
BUILT_IN = [
    "copy",
    "echo",
    "evidence",
    "garbage",
    "generic",
    "language",
    "leak",
    "length",
    "repetition",
    "schema",
    "sensitive",
    "truncated",
]


def record_gates() -> list[str]:
    built = {name: build_gate(GateSettings(name=name)) for name in BUILT_IN}
    return [name for name, gate in built.items() if isinstance(gate, RecordGate)]


def test_built_in_gates_are_found_by_name() -> None:
    assert set(BUILT_IN) <= set(registry.names("gates"))
    assert record_gates() == BUILT_IN


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_gate_is_pure_and_signs_its_verdict(make_pair: MakePair, name: str, query: str) -> None:
    record = make_pair(query)
    before = record.model_dump_json()
    gate = build_gate(GateSettings(name=name))
    first = gate.judge(record)
    assert gate.judge(record) == first
    assert build_gate(GateSettings(name=name)).judge(record) == first
    assert record.model_dump_json() == before
    assert first.gate == name
    assert first.keep == (first.reason == "")
