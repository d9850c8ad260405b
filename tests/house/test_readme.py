"""The README's commands run as they are printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def typed_commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if line.startswith("synth ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents by the names that the README uses."""
    folder = tmp_path_factory.mktemp("readme")
    shipped = sorted((ROOT / "data" / "corpora" / "finance").glob("*.md"))
    (folder / "filings").mkdir()
    for path in shipped[::5]:
        shutil.copy(path, folder / "filings")
    notes = [json.dumps({"id": path.stem, "text": path.read_text(encoding="utf-8")}) for path in shipped[1:20:5]]
    (folder / "notes.jsonl").write_text("\n".join(notes) + "\n", encoding="utf-8")
    pairs = [{"query": " ".join(note.split()[20:28]), "positive": note[:900]} for note in notes]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_commands_of_the_readme_run_one_after_the_other(folder: Path) -> None:
    commands = typed_commands()
    assert len(commands) >= 5
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "SYNTH"))}
    for command in commands:
        arguments = [str(Path(sys.executable).parent / "synth"), *shlex.split(command)[1:]]
        done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.slow
def test_the_training_line_of_the_readme_loads_what_was_exported(folder: Path) -> None:
    from datasets import load_dataset

    line = re.search(r"^train = (load_dataset\(.*?\))", README, re.MULTILINE)
    assert line is not None
    path, config, split = re.findall(r'"(.*?)"', line.group(1))
    train = load_dataset(str(folder / path), config, split=split, cache_dir=str(folder / "cache"))
    assert train.column_names == ["anchor", "positive", "negative"]
    assert len(train) > 50


def test_every_make_target_that_is_named_exists() -> None:
    pages = [README, (ROOT / "CONTRIBUTING.md").read_text(), *(p.read_text() for p in (ROOT / "docs").glob("*.md"))]
    named = {target for page in pages for target in re.findall(r"`make ([a-z-]+)`", page)}
    assert named
    assert named <= set(TARGETS)


def test_every_page_that_is_linked_exists() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == []


def test_constraints_are_plain_pins_and_no_host_is_named_anywhere() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][^\s;+]*", line)] == []


@pytest.mark.slow
def test_the_table_of_the_readme_is_what_the_demo_prints(tmp_path: Path) -> None:
    table = re.search(r"```text\n(finance@1: .*?)```", README, re.DOTALL)
    assert table is not None
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "SYNTH"))}
    synth = str(Path(sys.executable).parent / "synth")
    done = subprocess.run(
        [synth, "generate", "--domain", "finance"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout.startswith(table[1])
