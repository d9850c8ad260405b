"""`synth refine`, as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.store import Store

Cli = Callable[..., Any]


@pytest.mark.slow
def test_refine_publishes_the_next_version_and_leaves_no_run_behind_a_typo(cli: Cli, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    cli("generate", "--domain", "finance", "--limit", "40", "--store", store.root)
    typo = cli("refine", "finanse", "--store", store.root)
    assert typo.code == 2
    assert "did you mean 'finance'" in typo.error
    changes = tmp_path / "changes.yaml"
    changes.write_text("mining: {negativs: 2}\n")
    wrong = cli("refine", "finance", "--config", changes, "--store", store.root)
    assert wrong.code == 2
    assert "negativs" in wrong.error
    assert len(list(store.runs.iterdir())) == 1
    changes.write_text("mining: {negatives: 2}\n")
    cli("refine", "finance", "--config", changes, "--store", store.root)
    assert store.find("finance").number == 2
    assert store.find("finance").manifest.recipe.mining.negatives == 2
