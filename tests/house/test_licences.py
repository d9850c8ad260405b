"""Everything we depend on may be used by an Apache-2.0 project."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

FORBIDDEN = re.compile(r"\b(A?GPL|GNU (Affero )?General Public|SSPL|BUSL|Commons Clause|CC[ -]BY[ -]NC)", re.IGNORECASE)
WEAK_COPYLEFT = re.compile(r"\bLGPL|Lesser General Public", re.IGNORECASE)
DUAL = {
    "text-unidecode": "Artistic License or GPL at our choice; comes with prefect",
    "tld": "MPL, GPL or LGPL at our choice; comes with trafilatura",
}
KNOWN_LGPL: frozenset[str] = frozenset()
"""Libraries under the LGPL that we import unchanged, each with its reason beside it."""


def installed(extras: set[str]) -> dict[str, Distribution]:
    """Distributions that synth with these extras pulls in, as far as they are installed."""
    found: dict[str, Distribution] = {}
    waiting = [("synth", frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        for line in package.requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            applies = marker is None or any(marker.evaluate({"extra": extra}) for extra in (wanted or {""}) | {""})
            key = requirement.name.lower()
            if applies and key not in found:
                waiting.append((requirement.name, frozenset(requirement.extras)))
        found[name.lower()] = package
    return found


def licence_of(package: Distribution) -> str:
    metadata = package.metadata
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License")]
    text = metadata.get("License-Expression") or ""
    return " ".join([text, *classifiers]) if text or classifiers else (metadata.get("License") or "")[:200]


def test_no_dependency_is_under_a_licence_that_binds_our_users() -> None:
    packages = installed({"cpu", "documents", "remote", "teacher"})
    assert len(packages) > 50
    stated = {name: licence_of(package) for name, package in packages.items() if name not in DUAL}
    forbidden = {name: text for name, text in stated.items() if FORBIDDEN.search(text) and " OR " not in text}
    lesser = {name for name, text in stated.items() if WEAK_COPYLEFT.search(text)}
    assert forbidden == {}
    assert lesser <= KNOWN_LGPL


def test_every_dependency_states_a_licence() -> None:
    packages = installed({"cpu", "documents", "remote"})
    assert [name for name, p in packages.items() if not licence_of(p) and not p.metadata.get_all("License-File")] == []
