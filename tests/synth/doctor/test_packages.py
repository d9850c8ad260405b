from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from synth.doctor.packages import (
    Wanted,
    check_extras,
    check_packages,
    check_pins,
    check_python,
    find_checkout,
    how_to_install,
    installed_version,
)

ROOT = Path(__file__).parents[3]


def wanted(*own: str, pins: dict[str, str] | None = None, **extras: list[str]) -> Wanted:
    read = {name: [Requirement(line) for line in lines] for name, lines in extras.items()}
    return Wanted([Requirement(line) for line in own], read, pins or {})


def test_this_environment_has_what_synth_needs() -> None:
    here = Wanted.find(find_checkout())
    assert check_python().state == "ok"
    assert check_packages(here).state == "ok"
    assert check_extras(here).state == "ok"
    assert f"faiss-cpu {installed_version('faiss-cpu')}" in check_extras(here).said


def test_an_installed_synth_without_a_checkout_is_looked_at_by_its_metadata() -> None:
    here = Wanted.find(None)
    assert {"numpy", "prefect"} <= {each.name for each in here.own}
    assert [each.name for each in here.extras["remote"]] == ["obstore"]
    assert check_packages(here).state == "ok"
    assert check_pins(here).state == "ok"


def test_a_python_that_is_too_old_is_broken() -> None:
    found = check_python((3, 10, 4))
    assert found.state == "broken"
    assert "3.10.4; synth needs 3.11" in found.said


def test_a_package_that_is_missing_is_named_with_what_to_type() -> None:
    found = check_packages(wanted("numpy>=2", "no-such-package>=1"))
    assert (found.state, found.said) == ("broken", "not installed: no-such-package")
    assert found.fix == how_to_install()


def test_a_package_out_of_range_is_named_with_its_range() -> None:
    found = check_packages(wanted("numpy<1"))
    assert found.state == "broken"
    assert f"numpy {installed_version('numpy')} (needed: <1)" in found.said


def test_other_versions_than_the_tested_ones_are_a_warning() -> None:
    here = installed_version("numpy")
    assert check_pins(wanted("numpy", pins={"numpy": here})).state == "ok"
    found = check_pins(wanted("numpy", "PyYAML", pins={"numpy": "1.0", "pyyaml": installed_version("pyyaml")}))
    assert (found.state, found.said) == (
        "warning",
        f"versions are not those that synth is tested with: numpy {here} instead of 1.0",
    )


def test_extras_are_told_with_their_versions_and_those_that_are_missing() -> None:
    found = check_extras(wanted(cpu=["numpy"], ray=["no-such-package"], test=["no-such-tool"]))
    assert found.state == "ok"
    assert f"cpu (numpy {installed_version('numpy')}); not installed: ray" in found.said
    assert "test" not in found.said.split("(to add one")[0]


def test_an_extra_of_the_wrong_version_is_broken() -> None:
    found = check_extras(wanted(cpu=["numpy<1"]))
    assert found.state == "broken"
    assert "[cpu]" in found.fix


def test_both_builds_of_faiss_get_in_each_others_way() -> None:
    found = check_extras(wanted(cpu=["numpy"], gpu=["orjson"]))
    assert found.state == "warning"
    assert "uninstall" in found.fix


def test_what_to_type_is_for_this_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert shlex.split(how_to_install("teacher"))[1:] == [
        "-m",
        "pip",
        "install",
        "-c",
        "constraints.txt",
        "-e",
        ".[teacher]",
    ]
    monkeypatch.chdir(tmp_path)
    typed = shlex.split(how_to_install())
    assert typed[:4] == ["cd", str(ROOT), "&&", sys.executable]


def test_where_there_is_no_checkout_it_names_where_synth_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("synth.doctor.packages.find_checkout", lambda: None)
    told = tmp_path / "synth-9.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: synth\nVersion: 9\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert shlex.split(how_to_install("ray"))[1:] == ["-m", "pip", "install", "synth[ray]"]
    (told / "direct_url.json").write_text(
        '{"url": "https://host/synth", "vcs_info": {"vcs": "git", "commit_id": "abc"}}'
    )
    assert shlex.split(how_to_install("ray"))[-1] == "synth[ray] @ git+https://host/synth@abc"
    (told / "direct_url.json").write_text('{"url": "file:///srv/synth.whl", "archive_info": {}}')
    assert shlex.split(how_to_install())[-1] == "synth @ file:///srv/synth.whl"
