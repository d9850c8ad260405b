"""Finds tasks, gates, generators, teachers and domains: ours and other people's alike.

Built-ins are found by listing their folder; each module names what it offers in `__all__`.
Third parties declare an entry point in the group `synth.<kind>`. Both pass through
`register`, so a plug-in can do whatever a built-in can. A domain's entry point is the
path of its YAML file.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import threading
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, cast

from synth.errors import InputError, suggest
from synth.resources import find_shipped

Kind = Literal["tasks", "gates", "generators", "teachers", "domains"]

_found: dict[str, dict[str, Any]] = {}
_finding = threading.RLock()
"""Held while a kind is discovered, so that no thread sees half of it."""


def register(kind: Kind, name: str, component: Any) -> None:
    """Make `component` known as `name`. Two different components can't share a name."""
    known = _discover(kind)
    if name in known and known[name] is not component and known[name] != component:
        raise InputError(f"two {kind} are called {name!r}: uninstall one of the packages that bring it, or rename it")
    known[name] = component


def names(kind: Kind) -> list[str]:
    """Names of all known components of a kind, sorted."""
    return sorted(_discover(kind))


def find(kind: Kind, name: str) -> Any:
    """The component called `name`; InputError with the nearest name where there is none."""
    known = _discover(kind)
    if name not in known:
        raise InputError(f"there is no {kind[:-1]} called {name!r}{suggest(name, known)}")
    return known[name]


def refuse_near_miss(kind: Kind, name: str) -> None:
    """InputError where `name`, which may also be a path or that of a model, is nearly that of a component."""
    near = difflib.get_close_matches(name, names(kind), n=1, cutoff=0.75)
    if near and name not in near and not Path(name).exists():
        raise InputError(f"there is no {kind[:-1]} {name!r}; did you mean {near[0]!r}?")


def _discover(kind: Kind) -> dict[str, Any]:
    with _finding:
        if kind in _found:
            return _found[kind]
        _found[kind] = {}
        try:
            _register_built_ins(kind)
            for entry in _installed().select(group=f"synth.{kind}"):
                register(kind, entry.name, entry.load())
        except BaseException:
            del _found[kind]
            raise
        return _found[kind]


@cache
def _installed() -> Any:
    """The entry points of all packages, which take 10 ms to read."""
    return entry_points()


def _register_built_ins(kind: Kind) -> None:
    if kind == "domains":
        for path in sorted(find_shipped("data", "domains").glob("*.yaml")):
            register(kind, path.stem, path)
        return
    package = importlib.import_module(f"synth.{kind}")
    for module_info in pkgutil.iter_modules(cast(list[str], package.__path__)):
        module = importlib.import_module(f"synth.{kind}.{module_info.name}")
        for exported in getattr(module, "__all__", ()):
            component = getattr(module, exported)
            register(kind, component.name, component)


def domain_path(name: str) -> Path:
    """The YAML file of a known domain."""
    return Path(find("domains", name))
