from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

Cli = Callable[..., Any]

HEAVY = ("torch", "prefect", "faiss", "datasets", "duckdb", "pyarrow", "numpy", "huggingface_hub")
VERBS = [
    "generate",
    "import",
    "plan",
    "resume",
    "domains",
    "datasets",
    "audit",
    "sql",
    "catalog",
    "push",
    "serve",
    "doctor",
]

_HELP = f"""
import sys
from synth.cli import main
sys.argv = ["synth", "--help"]
try:
    main()
except SystemExit as ended:
    print("code", ended.code, file=sys.stderr)
print("heavy", [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


def test_help_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", _HELP], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == ["code 0", "heavy []"]
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(cli: Cli, verb: str) -> None:
    done = cli(verb, "--help")
    assert done.code == 0
    assert f"synth {verb}" in done.out
    assert cli(verb, "-h").out == done.out


def test_without_a_verb_there_is_help(cli: Cli) -> None:
    done = cli()
    assert "Usage" in done.out + done.err
    assert done.code in (0, 2)


def test_an_unknown_verb_is_refused(cli: Cli) -> None:
    done = cli("genrate")
    assert done.code == 2
    assert "generate" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("arguments", [("generate",), ("generate", "--domain", "finance", "--limit", "many"), ("sql",)])
def test_wrong_options_are_refused_without_a_traceback(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert done.out == ""
