"""`synth import` on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Cli = Callable[..., Any]
DATA = Path(__file__).parents[2] / "data" / "imports"


def test_an_import_says_what_became_of_every_row_and_can_be_verified(cli: Cli, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    done = cli("import", str(DATA / "taxonomy.csv"), "--name", "animals", "--as", "taxonomy", "--store", store)
    assert done.code == 0
    assert "imported as taxonomy from taxonomy.csv: 29 rows read, 29 passages; train 23" in done.out
    assert "unknown_parent" in done.out
    assert cli("datasets", "verify", "animals", "--store", store).code == 0


def test_flags_of_another_shape_are_refused(cli: Cli, tmp_path: Path) -> None:
    file = str(DATA / "taxonomy.csv")
    done = cli("import", file, "--name", "x", "--text-field", "text", "--store", str(tmp_path))
    assert done.code == 2
    assert "--link-field and --pairs-per-group do nothing with --as pairs" in done.err
    done = cli("import", str(tmp_path / "no.jsonl"), "--name", "x", "--store", str(tmp_path))
    assert done.code == 2
    assert "does not exist" in done.err


def test_chat_logs_are_read_and_their_flags_belong_to_them(cli: Cli, tmp_path: Path) -> None:
    file, store = tmp_path / "chats.jsonl", str(tmp_path / "store")
    turns = '{"role": "user", "content": "Write to ana@acme.io, please."}, {"role": "assistant", "content": "It is written."}'
    file.write_text(f'{{"messages": [{turns}]}}\n')
    done = cli("import", str(file), "--name", "chats", "--as", "conversations", "--history", "2", "--store", store)
    assert done.code == 0
    assert "imported as conversations from chats.jsonl: 1 rows read" in done.out
    done = cli("sql", "SELECT query FROM chats", "--store", store)
    assert "[EMAIL]" in done.out
    done = cli("import", str(file), "--name", "x", "--history", "2", "--store", store)
    assert done.code == 2
    assert "--history and --sensitive do nothing with --as pairs" in done.err
