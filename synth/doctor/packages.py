"""Python and the packages that synth is made of: there, in range, and of the versions it is tested with."""

from __future__ import annotations

import platform
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution, metadata, version
from pathlib import Path

import orjson
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from synth.doctor.finding import Finding, broken, ok, warning
from synth.resources import find_shipped

OLDEST = (3, 11)
_FOR_DEVELOPERS = frozenset({"test"})
_NAMED = 3
"""Packages that a line names; the others are counted."""


@dataclass(frozen=True)
class Wanted:
    """What synth asks for: requirements of its own and by extra, and the pins it is tested with."""

    own: Sequence[Requirement]
    extras: Mapping[str, Sequence[Requirement]]
    pins: Mapping[str, str]

    @staticmethod
    def find(checkout: Path | None) -> Wanted:
        """Of a checkout's pyproject.toml and constraints.txt, else of what is installed, which has no pins."""
        if checkout is not None:
            project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            extras = project.get("optional-dependencies", {})
            lines = (checkout / "constraints.txt").read_text(encoding="utf-8").split()
            pins = dict(line.split("==", 1) for line in lines if "==" in line)
            return Wanted(_read(project["dependencies"]), {name: _read(extras[name]) for name in sorted(extras)}, pins)
        told = metadata("synth")
        lines = told.get_all("Requires-Dist") or []
        extras = {name: _read(lines, name) for name in sorted(told.get_all("Provides-Extra") or [])}
        return Wanted(_read(lines), extras, {})

    @cached_property
    def found(self) -> dict[str, str]:
        """Version of every package that is asked for and installed, by name."""
        asked = [*self.own, *(each for extra in self.extras.values() for each in extra)]
        versions = {each.name: installed_version(each.name) for each in asked}
        return {name: found for name, found in versions.items() if found}


def _read(lines: Sequence[str], extra: str = "") -> list[Requirement]:
    """Requirements that apply on this machine: those of an extra, or those of none."""
    told = [Requirement(line) for line in lines]
    always = [each for each in told if each.marker is None or each.marker.evaluate({"extra": ""})]
    if not extra:
        return always
    return [each for each in told if each not in always and each.marker and each.marker.evaluate({"extra": extra})]


def find_checkout() -> Path | None:
    """The folder that synth runs from, where that is a checkout."""
    root = find_shipped()
    return root if (root / "pyproject.toml").is_file() and (root / "constraints.txt").is_file() else None


def installed_version(package: str) -> str:
    """'' where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def how_to_install(extra: str = "", checkout: Path | None = None) -> str:
    """What to type for synth with an extra, in this environment."""
    python, root = Path(sys.executable), checkout or find_checkout()
    shown = str(python.relative_to(Path.cwd())) if python.is_relative_to(Path.cwd()) else str(python)
    behind = f"[{extra}]" if extra else ""
    if root is None:
        return f"{shown} -m pip install 'synth{behind}{_origin()}'"
    enter = "" if root == Path.cwd() else f"cd {root} && "
    return f"{enter}{shown} -m pip install -c constraints.txt -e '.{behind}'"


def _origin() -> str:
    """` @ ADDRESS` where synth was installed from a folder, a file or a repository; '' for one of an index."""
    told = orjson.loads(distribution("synth").read_text("direct_url.json") or "{}")
    if vcs := told.get("vcs_info"):
        return f" @ {vcs['vcs']}+{told['url']}@{vcs['commit_id']}"
    return f" @ {told['url']}" if told else ""


def check_python(found: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """The interpreter."""
    told, oldest = ".".join(map(str, found)), ".".join(map(str, OLDEST))
    if found < OLDEST:
        return broken(
            "python",
            f"{told}; synth needs {oldest} or newer",
            f"make demo PYTHON=/path/to/python{oldest}, with a newer one",
        )
    return ok("python", f"{told} ({platform.system()} {platform.machine()}), {sys.executable}")


def check_packages(wanted: Wanted) -> Finding:
    """Everything that synth always needs is there, in a version it can work with."""
    missing = [each.name for each in wanted.own if each.name not in wanted.found]
    if missing:
        return broken("packages", f"not installed: {_named(missing)}", how_to_install())
    wrong = _out_of_range(wanted.own, wanted)
    if wrong:
        return broken("packages", f"not of a version that synth works with: {_named(wrong)}", how_to_install())
    return ok("packages", f"the {len(wanted.own)} that synth needs are there, each in its range")


def check_pins(wanted: Wanted) -> Finding:
    """Whether versions are those of constraints.txt, with which the tests pass."""
    if not wanted.pins:
        return ok("pins", "synth was not installed from a checkout, so there are no tested versions to compare with")
    here = {canonicalize_name(name): found for name, found in wanted.found.items()}
    other = [
        f"{name} {found} instead of {wanted.pins[name]}"
        for name, found in sorted(here.items())
        if found != wanted.pins.get(name, found)
    ]
    if other:
        return warning("pins", f"versions are not those that synth is tested with: {_named(other)}", how_to_install())
    pinned = len(here.keys() & wanted.pins.keys())
    return ok("pins", f"{pinned} packages have the versions that synth is tested with (constraints.txt)")


def check_extras(wanted: Wanted) -> Finding:
    """Which extras are there; no run needs all of them."""
    offered = {name: asked for name, asked in wanted.extras.items() if asked and name not in _FOR_DEVELOPERS}
    there = {name: asked for name, asked in offered.items() if all(each.name in wanted.found for each in asked)}
    wrong = [each for asked in there.values() for each in _out_of_range(asked, wanted)]
    if wrong:
        return broken(
            "extras", f"not of a version that synth works with: {_named(wrong)}", how_to_install(",".join(there))
        )
    if {"cpu", "gpu"} <= there.keys():
        return warning(
            "extras",
            "faiss-cpu and faiss-gpu are both installed and overwrite each other's files",
            f"{sys.executable} -m pip uninstall -y faiss-cpu faiss-gpu, then {how_to_install('gpu')}",
        )
    said = ", ".join(f"{name} ({asked[0].name} {wanted.found[asked[0].name]})" for name, asked in there.items())
    missing = sorted(offered.keys() - there.keys())
    rest = f"; not installed: {', '.join(missing)} (to add one: {how_to_install('NAME')})" if missing else ""
    return ok("extras", f"{said or 'none'}{rest}")


def _out_of_range(asked: Sequence[Requirement], wanted: Wanted) -> list[str]:
    return [
        f"{each.name} {wanted.found[each.name]} (needed: {each.specifier})"
        for each in asked
        if each.name in wanted.found and not each.specifier.contains(wanted.found[each.name], prereleases=True)
    ]


def _named(packages: Sequence[str]) -> str:
    more = len(packages) - _NAMED
    return ", ".join(packages[:_NAMED]) + (f" and {more} more" if more > 0 else "")
