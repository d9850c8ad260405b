"""What becomes public: whose documents they are, and what stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.recipe import GateSettings
from synth.exposure import count_sensitive, is_shipped
from synth.recipe import Choices, resolve
from synth.resources import find_shipped
from synth.run import create_run, execute
from synth.store import Store, VersionRef


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> VersionRef:
    return execute(create_run(resolve(Choices(domain="finance", limit=5)), Store(tmp_path_factory.mktemp("shipped"))))


def make_own(root: Path, action: str) -> VersionRef:
    (root / "one.md").write_text("# Service\n\nThe boiler is serviced in May by Acme. " * 4 + "Write to ana@acme.io.")
    (root / "two.md").write_text("# Repair\n\nRepairs are ordered from Acme by telephone in winter. " * 4)
    config = root / "config.yaml"
    config.write_text(
        f"{{gates: [{{name: sensitive, settings: {{action: {action}}}}}], set_gates: [], mining: {{negatives: 0}}}}"
    )
    choices = Choices(
        domain="finance", documents=(root / "one.md", root / "two.md"), name="own", limit=2, config=config
    )
    return execute(create_run(resolve(choices), Store(root / "store")))


def test_the_shipped_corpus_is_known_by_its_content(shipped: VersionRef, tmp_path: Path) -> None:
    recipe = shipped.manifest.recipe
    assert is_shipped(recipe)
    assert not is_shipped(recipe.model_copy(update={"corpus_sha256": "0" * 64}))
    assert not is_shipped(recipe.model_copy(update={"corpus_sha256": ""}))


def test_a_shipped_document_less_is_another_corpus(tmp_path: Path) -> None:
    files = sorted(find_shipped("data", "corpora", "finance").iterdir())[1:]
    version = execute(
        create_run(resolve(Choices(domain="finance", documents=tuple(files), limit=3)), Store(tmp_path / "store"))
    )
    assert not is_shipped(version.manifest.recipe)


def test_a_gate_that_is_not_installed_here_makes_documents_ones_own(shipped: VersionRef) -> None:
    recipe = shipped.manifest.recipe.model_copy(update={"gates": [GateSettings(name="acme-gate")]})
    assert not is_shipped(recipe)


@pytest.mark.parametrize(("action", "kind"), [("flag", "found"), ("mask", "masked")])
def test_texts_with_sensitive_data_are_counted_whatever_the_gate_did(action: str, kind: str, tmp_path: Path) -> None:
    exposure = count_sensitive(make_own(tmp_path, action))
    assert exposure.texts == 2 + 2
    counts = {"found": exposure.found, "masked": exposure.masked}
    assert counts.pop(kind)["email"] >= 1
    assert sum(sum(count.values()) for count in counts.values()) == 0
