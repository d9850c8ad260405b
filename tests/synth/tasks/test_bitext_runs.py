"""The task `bitext` on whole runs in five languages of three scripts, with the shipped gates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import Fill, fake_llm

from synth.language import named
from synth.llm.settings import reach
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef
from synth.verify import verify_version

pytestmark = pytest.mark.slow
DATA = Path(__file__).parents[2] / "data" / "parallel.jsonl"
LANGUAGES = ("de", "en", "fr", "hi", "zh")
ONE_SENTENCE = [row for row in map(orjson.loads, DATA.open()) if row["en"].rstrip(".?").count(". ") == 0]
NAMES = {named(code): code for code in LANGUAGES}
PLACE = {row[code]: (n, code) for n, row in enumerate(ONE_SENTENCE) for code in LANGUAGES}


def translated(prompt: str, broken: str = "") -> Fill:
    """The right translation of the text in a prompt, and that of another row as the wrong one."""
    text = prompt.rpartition("<text")[2].partition(">\n")[2].partition("\n</text>")[0]
    target = NAMES[prompt.rpartition("Language of both translations: ")[2].strip()]
    row, _ = PLACE[text]
    right = ONE_SENTENCE[row][target]
    if broken == "half":
        right = right[: len(right) // 2]
    wrong = ONE_SENTENCE[row][target].replace("1", "7").replace("2", "8").replace("4", "3")
    return Fill({"positive": right, "negative": f"{wrong[:-3]}{wrong[-1]}"})


@pytest.fixture
def documents(tmp_path: Path, write_rows: Callable[..., Path]) -> Path:
    texts = {f"{code}{n}": row[code] for n, row in enumerate(ONE_SENTENCE) for code in LANGUAGES}
    return write_rows(tmp_path / "parallel.jsonl", texts)


def run_of(documents: Path, broken: str = "") -> VersionRef:
    with fake_llm(lambda prompt, _: translated(prompt, broken)) as fake:
        llm = reach([fake.url])
        file = documents.with_name("config.yaml")
        plan = {"tasks": {"bitext": 1}, "items_per_passage": 5, "language": dict.fromkeys(LANGUAGES, 1)}
        config: dict[str, Any] = {"set_gates": [], "plan": plan, "chunk": {"max_chars": 900, "min_chars": 1}}
        file.write_bytes(orjson.dumps(config))
        choices = Choices("finance", documents=(documents,), config=file, models=tuple(llm.models))
        return execute(create_run(resolve(choices), Store(documents.parent / "store"), llm=llm))


def test_right_translations_pass_the_shipped_gates_in_every_direction(documents: Path) -> None:
    version = run_of(documents)
    assert verify_version(version) == []
    records = pq.read_table(version.path / "records").to_pylist()
    directions = set()
    for record in records:
        said = {each["name"]: each["value"] for each in record["attributes"]}
        row, source = PLACE[record["query"]]
        assert (record["language"], said["source_language"]) == (source, source)
        assert record["positive"]["text"] == ONE_SENTENCE[row][said["target_language"]]
        directions.add((source, said["target_language"]))
    funnel = version.manifest.funnel
    asked = funnel.planned - funnel.failed.get("wrong_language", 0)
    assert len(records) > 0.8 * asked, (funnel.rejected, funnel.failed)
    assert len(directions) > 15


def test_half_a_translation_is_dropped_by_its_gate(documents: Path) -> None:
    version = run_of(documents, "half")
    funnel = version.manifest.funnel
    lost = sum(funnel.rejected.get(reason, 0) for reason in ("dropped_text", "changed_number", "lost_mark"))
    assert lost > 0.9 * (funnel.accepted + sum(funnel.rejected.values()))
