"""`synth audit export | import`, as they are typed, on a version that a scripted LLM wrote and judged."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from fake_llm import Fill, fake_llm

from schemas.audit import AuditKey
from synth.llm.settings import reach
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store

Cli = Callable[..., Any]
CONFIG = {"gates": [{"name": "length"}, {"name": "judge", "settings": {"relevance": 4}}], "set_gates": []}


def script(prompt: str, _: int) -> Fill:
    """A judge that is right but for some: relevance 5 or 2 by the length of what it is shown."""
    return Fill({"relevance": 2 if len(prompt) % 3 == 0 else 5, "answerability": 5, "clarity": 4, "faithfulness": 5})


@pytest.fixture(scope="module")
def root(fresh: Callable[[], Path], make_texts: Any, write_rows: Any) -> Path:
    folder = fresh()
    texts = make_texts(14)
    documents = write_rows(folder / "documents.jsonl", texts)
    (folder / "config.yaml").write_bytes(orjson.dumps(CONFIG))
    with fake_llm(script) as fake:
        llm = reach([fake.url])
        choices = Choices("finance", documents=(documents,), config=folder / "config.yaml", models=tuple(llm.models))
        execute(create_run(resolve(choices), Store(folder / "store"), llm=llm))
    return folder / "store"


@pytest.fixture
def audit(cli: Cli, root: Path, tmp_path: Path) -> Path:
    done = cli("audit", "export", "finance", "--sample", 40, "--auditors", 2, "--store", root)
    assert (done.code, done.err) == (0, "")
    return tmp_path / "audit"


def key_of(audit: Path) -> AuditKey:
    return AuditKey.model_validate_json((audit / "key.json").read_bytes())


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def fill(path: Path, say: Callable[[int, dict[str, str]], dict[str, str]]) -> None:
    """Write what `say` answers to each row, by its number."""
    rows = rows_of(path)
    for row in rows:
        row |= say(int(row["row"].split("-")[2].rstrip("n")), row)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, list(rows[0]), delimiter=";")
        lines.writeheader()
        lines.writerows(rows)


def knowing(key: AuditKey, mistakes: int = 0) -> Callable[[int, dict[str, str]], dict[str, str]]:
    """Somebody who thinks as the judge does, but for every fourth row that it dropped; wrong at first, `mistakes` times."""
    by_number = {row.number: row for row in key.rows}
    dropped = [row.number for row in key.rows if row.kept_by_judge is False]
    falsely = set(dropped[::4])

    def say(number: int, row: dict[str, str]) -> dict[str, str]:
        if row["row"].endswith("n"):
            return {"negatives_right": "1" if number % 5 == 0 else "0"}
        is_right = by_number[number].kept_by_judge is not False or number in falsely
        return {"relevant": "yes" if is_right != (number <= mistakes) else "No", "clear": "y"}

    return say


def test_an_export_is_blind(audit: Path) -> None:
    assert sorted(path.name for path in audit.iterdir()) == [
        "how-to.md",
        "key.json",
        "sheet-1.csv",
        "sheet-1.html",
        "sheet-2.csv",
        "sheet-2.html",
    ]
    key = key_of(audit)
    rows = rows_of(audit / "sheet-1.csv")
    pairs, asked = rows[: len(key.rows)], rows[len(key.rows) :]
    assert len(pairs) == len(key.rows) == 40
    assert len(asked) == sum(bool(row.negatives) for row in key.rows) > 5
    assert not [row for row in pairs if any(row[name] for name in row if name.startswith("negative"))]
    for name in ("sheet-1.csv", "sheet-1.html", "how-to.md"):
        text = (audit / name).read_text(encoding="utf-8")
        hidden = (
            "accepted",
            "rejected",
            "irrelevant",
            "relevance",
            "judgement",
            "verdict",
            *(row.id for row in key.rows),
        )
        assert [word for word in hidden if word in text] == []
    assert [row.status for row in key.rows] != sorted(row.status for row in key.rows)
    other = rows_of(audit / "sheet-2.csv")
    assert [row["query"] for row in other] == [row["query"] for row in rows]


def test_the_key_names_records_strata_and_weights(audit: Path, root: Path) -> None:
    key = key_of(audit)
    version = Store(root).find("finance")
    assert key.content_sha256 == version.manifest.content_sha256
    assert key.dataset == "finance@1"
    sizes = {name: sum(each.size for each in key.strata if each.status == name) for name in ("accepted", "rejected")}
    funnel = version.manifest.funnel
    assert sizes == {"accepted": funnel.accepted, "rejected": sum(funnel.rejected.values())}
    assert {row.kept_by_judge for row in key.rows if row.status == "accepted"} == {True}
    assert {row.judgement.relevance for row in key.rows if row.reason == "irrelevant" and row.judgement} == {2}
    assert key.judge == "relevance 4, answerability 3, clarity 3, faithfulness 3"


@pytest.mark.slow
def test_the_same_command_draws_the_same_and_another_seed_does_not(cli: Cli, root: Path, audit: Path) -> None:
    again = ("audit", "export", "finance@1", "--sample", 40, "--auditors", 2, "--store", root)
    assert cli(*again, "-o", "again").code == 0
    for path in audit.iterdir():
        assert (Path("again") / path.name).read_bytes() == path.read_bytes()
    assert cli(*again, "-o", "other", "--seed", 1).code == 0
    assert {row.id for row in key_of(Path("other")).rows} != {row.id for row in key_of(audit).rows}


def test_what_people_say_becomes_rates(cli: Cli, audit: Path) -> None:
    key = key_of(audit)
    fill(audit / "sheet-1.csv", knowing(key))
    fill(audit / "sheet-2.csv", knowing(key, mistakes=4))
    before = {path.name: path.read_bytes() for path in audit.iterdir()}
    told = cli("audit", "import", audit, "--json").json
    rows = 40 + sum(bool(row.negatives) for row in key.rows)
    assert [(sheet["asked"], sheet["filled"]) for sheet in told["sheets"]] == [(rows, rows), (rows, rows)]
    assert told["agreement"]["relevant"]["percent"]["rate"] == pytest.approx(0.9)
    assert 0.5 < told["agreement"]["relevant"]["kappa"]["value"] < 1
    assert told["accepted"]["right"]["rate"] > 0.85
    dropped = [row.number for row in key.rows if row.kept_by_judge is False]
    assert told["judge"]["false_reject"]["rows"] == len(dropped)
    assert 0.1 < told["judge"]["false_reject"]["rate"] < 0.5
    assert told["negatives"]["false"]["low"] < told["negatives"]["false"]["rate"] < told["negatives"]["false"]["high"]
    assert {each["axis"] for each in told["calibration"]} == {"relevance", "answerability", "clarity", "faithfulness"}
    assert told == cli("audit", "import", audit, "--json").json
    assert before == {path.name: path.read_bytes() for path in audit.iterdir()}


@pytest.mark.slow
def test_tables_and_a_report_are_shown(cli: Cli, audit: Path) -> None:
    key = key_of(audit)
    fill(audit / "sheet-1.csv", knowing(key))
    done = cli("audit", "import", audit, "--precision", 0.5, "-o", "report.md")
    assert (done.code, done.err) == (0, "")
    for told in ("finance@1. Population: ", "accepted: right (precision)", "judge drops: right", "50% is reached from"):
        assert told in done.out
    assert "Agreement" not in done.out
    rows = 40 + sum(bool(row.negatives) for row in key.rows)
    assert f"| sheet-2.csv | 2 | {rows} | 0 | 0 | {rows} | 0 | 0 |" in Path("report.md").read_text()


@pytest.mark.slow
def test_half_a_sheet_is_enough_and_bad_cells_are_named(cli: Cli, audit: Path) -> None:
    say = knowing(key_of(audit))
    fill(audit / "sheet-1.csv", lambda number, row: say(number, row) if number <= 20 else {})
    fill(audit / "sheet-2.csv", lambda number, row: {"clear": "sometimes"} if row["row"].endswith("-003") else {})
    done = cli("audit", "import", audit)
    assert done.code == 0
    assert done.err == "sheet-2.csv, row 4, column clear: 'sometimes' is not used; write yes or no\n"
    told = cli("audit", "import", audit, "--json").json
    assert told["sheets"][0]["empty"] > 20
    assert told["accepted"]["right"]["rows"] < 20


def test_a_sheet_of_another_version_is_refused(cli: Cli, audit: Path, root: Path) -> None:
    assert cli("audit", "export", "finance", "--sample", 10, "--store", root, "-o", "other").code == 0
    (audit / "sheet-2.csv").write_bytes((Path("other") / "sheet-1.csv").read_bytes())
    done = cli("audit", "import", audit)
    assert done.code == 2
    assert "belongs to another audit than key.json, which is of finance@1" in done.error


@pytest.mark.slow
def test_a_wrong_folder_is_one_sentence(cli: Cli, audit: Path, root: Path) -> None:
    nothing = cli("audit", "import", audit)
    assert nothing.code == 2
    assert "nothing is answered in" in nothing.error
    assert "it has no readable key.json" in cli("audit", "import", "nowhere").error
    taken = cli("audit", "export", "finance", "--store", root)
    assert taken.code == 2
    assert "audit" in taken.error
    assert "no dataset 'finanse'" in cli("audit", "export", "finanse", "--store", root, "-o", "new").error


@pytest.mark.slow
def test_an_export_is_one_json_document(cli: Cli, root: Path) -> None:
    told = cli("audit", "export", "finance", "--sample", 10, "--negatives", 0, "--store", root, "--json").json
    assert (told["folder"], told["rows"], told["dataset"]) == ("audit", 10, "finance@1")
    assert len(rows_of(Path("audit/sheet-1.csv"))) == 10
    assert json.loads(Path("audit/key.json").read_bytes())["audit"] == told["audit"]


@pytest.mark.slow
def test_a_separator_can_be_chosen(cli: Cli, root: Path) -> None:
    assert cli("audit", "export", "finance", "--sample", 4, "--separator", ";", "--store", root).code == 0
    assert Path("audit/sheet-1.csv").read_bytes().startswith(b'\xef\xbb\xbf"row";"to do";')
