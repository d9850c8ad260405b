"""Modules and functions stay small enough to read in one go, and say what they are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES = 400
FUNCTION_LINES = 45
LONG_BY_NATURE = {
    "calibrate",
    "dedup",
    "deploy",
    "export",
    "gate",
    "generate",
    "import_source",
    "mine",
    "plan",
    "serve",
}
"""Verbs whose signature, one flag a line, is most of their length."""

SOURCES = sorted(path for folder in ("schemas", "synth", "flows") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_has_a_docstring(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MODULE_LINES
    assert ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = {
        f.name: f.end_lineno - f.lineno + 1
        for f in functions
        if f.end_lineno is not None and f.name not in LONG_BY_NATURE and f.end_lineno - f.lineno >= FUNCTION_LINES
    }
    assert long == {}


def test_no_module_is_called_utils() -> None:
    assert [path for path in SOURCES if path.stem in {"utils", "helpers", "common", "misc"}] == []
