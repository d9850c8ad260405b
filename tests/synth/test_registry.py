from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

import pytest

from synth import registry
from synth.errors import InputError
from synth.registry import Kind, domain_path, find, names, register


@pytest.fixture
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_found", {})
    monkeypatch.setattr(registry, "_installed", entry_points)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, entry: str) -> None:
    """A third party's package with one entry point, on the import path."""
    (folder / "third_party_plugin.py").write_text(source)
    info = folder / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "third_party_plugin", raising=False)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tasks", "query-from-passage"),
        ("gates", "copy"),
        ("generators", "extractive"),
        ("teachers", "lexical"),
        ("domains", "finance"),
    ],
)
def test_what_ships_is_found_by_name(clean_registry: None, kind: Kind, name: str) -> None:
    assert name in names(kind)
    assert names(kind) == sorted(names(kind))
    assert find(kind, name) is find(kind, name)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_an_unknown_name_suggests_the_nearest(kind: Kind) -> None:
    near = names(kind)[0]
    with pytest.raises(InputError, match=rf"there is no {kind[:-1]} called '{near}x'; did you mean '{near}'\?"):
        find(kind, near + "x")


def test_a_component_may_be_registered_again(clean_registry: None) -> None:
    register("gates", "mine", dict)
    register("gates", "mine", dict)
    assert find("gates", "mine") is dict


def test_two_components_can_not_share_a_name(clean_registry: None) -> None:
    register("gates", "mine", dict)
    with pytest.raises(InputError, match="two gates are called 'mine': uninstall one of the packages"):
        register("gates", "mine", list)
    assert find("gates", "mine") is dict


def test_a_component_registered_first_does_not_hide_what_ships(clean_registry: None) -> None:
    register("gates", "mine", dict)
    assert {"mine", "copy", "length"} <= set(names("gates"))


def test_a_third_party_brings_a_component(
    clean_registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "class Shout: ...\n", "[synth.gates]\nshout = third_party_plugin:Shout\n")
    assert find("gates", "shout").__module__ == "third_party_plugin"
    assert "copy" in names("gates")


@pytest.mark.parametrize("value", ["Path('/somewhere/tea.yaml')", "'/somewhere/tea.yaml'"])
def test_a_third_party_brings_a_domain(
    clean_registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    install(
        tmp_path,
        monkeypatch,
        f"from pathlib import Path\nTEA = {value}\n",
        "[synth.domains]\ntea = third_party_plugin:TEA\n",
    )
    assert "tea" in names("domains")
    assert domain_path("tea") == Path("/somewhere/tea.yaml")


def test_a_third_party_can_not_replace_what_ships(
    clean_registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "class Copy: ...\n", "[synth.gates]\ncopy = third_party_plugin:Copy\n")
    for _ in range(2):
        with pytest.raises(InputError, match="two gates are called 'copy'"):
            find("gates", "length")


def test_the_file_of_a_shipped_domain_is_named_after_it() -> None:
    assert domain_path("finance").name == "finance.yaml"


def test_listing_domains_imports_no_engine() -> None:
    program = "import sys; from synth.registry import names; names('domains'); print('pyarrow' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert told.stdout == "False\n"
