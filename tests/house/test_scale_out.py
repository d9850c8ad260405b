"""The tables of docs/scale-out.md are what the script prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_tables_are_those_of_the_script() -> None:
    script = ROOT / "tests" / "benchmarks" / "scale_out.py"
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    page = (ROOT / "docs" / "scale-out.md").read_text(encoding="utf-8")
    for table in printed.strip().split("\n\n"):
        assert table in page


def test_simulated_shards_take_what_the_arithmetic_says() -> None:
    page = (ROOT / "docs" / "scale-out.md").read_text(encoding="utf-8")
    rows = page.split("| simulated | ratio |")[1].strip().splitlines()[1:]
    ratios = [float(row.split("|")[-2]) for row in rows if row.startswith("|")]
    assert len(ratios) == 9
    assert all(0.98 < ratio < 1.03 for ratio in ratios)
