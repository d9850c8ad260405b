"""The layer rule: schemas < synth (without cli) < flows < synth.cli, and who may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ["schemas", "synth", "flows", "synth.cli"]
ONLY_IN = {
    "torch": ("synth/teachers/", "synth/evaluate/"),
    "transformers": ("synth/teachers/", "synth/evaluate/"),
    "sentence_transformers": ("synth/teachers/", "synth/evaluate/"),
    "faiss": ("synth/search/",),
    "datasets": ("synth/hub.py", "synth/hub_read.py"),
    "huggingface_hub": ("synth/hub.py", "synth/hub_read.py"),
    "obstore": ("synth/objects.py",),
    "prefect": ("flows/", "synth/cli/serve.py"),
    "ray": ("flows/runners.py",),
    "prefect_ray": ("flows/runners.py",),
    "vllm": ("synth/vllm_plugin/",),
    "typer": ("synth/cli/",),
    "rich": ("synth/cli/",),
}


def sources() -> list[Path]:
    return sorted(path for folder in ("schemas", "synth", "flows") for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def layer_of(module: str) -> int | None:
    if module == "synth.cli" or module.startswith("synth.cli."):
        return LAYERS.index("synth.cli")
    top = module.split(".")[0]
    return LAYERS.index(top) if top in LAYERS else None


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_its_own_layer_and_those_below(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    own = layer_of(module)
    assert own is not None
    above = [name for name in imports(path) if (layer_of(name) or 0) > own]
    assert above == []


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_packages_stay_in_their_module(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    tops = {name.split(".")[0] for name in imports(path)}
    assert [top for top in tops & set(ONLY_IN) if not place.startswith(ONLY_IN[top])] == []


def test_help_imports_nothing_heavy() -> None:
    code = "import synth.cli, sys; print(sorted({m.split('.')[0] for m in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(result.stdout))
    assert not loaded & {
        "torch",
        "prefect",
        "faiss",
        "datasets",
        "pyarrow",
        "duckdb",
        "numpy",
        "obstore",
        "sentence_transformers",
    }


def test_importing_synth_imports_nothing_of_ours() -> None:
    code = "import synth, sys; print([m for m in sys.modules if m.split('.')[0] in ('synth', 'schemas', 'flows')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ast.literal_eval(result.stdout) == ["synth"]
