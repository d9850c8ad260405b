"""Licences by what they ask: which of several is the most restrictive, and which allow commercial use.

Names are read as people write them (`Apache 2.0`, `CC BY-SA 4.0`, a creativecommons.org address) and
stand for an identifier of the Hugging Face Hub where it has one. This orders licences; it is no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from synth.errors import InputError

UNKNOWN = "unknown"
"""What the manifest calls the licence of records whose documents state none."""


class Kind(IntEnum):
    """What a licence asks, least restrictive first."""

    PUBLIC_DOMAIN = 0
    PERMISSIVE = 1
    SHARE_ALIKE = 2
    NON_COMMERCIAL = 3
    NO_DERIVATIVES = 4
    UNKNOWN = 5


# fmt: off
_KINDS: dict[Kind, str] = {
    Kind.PUBLIC_DOMAIN: "wtfpl unlicense pddl cc0-1.0",
    Kind.PERMISSIVE: "isc zlib postgresql bsl-1.0 ncsa afl-3.0 bsd bsd-2-clause bsd-3-clause mit ms-pl artistic-2.0 "
        "ecl-2.0 apache-2.0 cdla-permissive-1.0 cdla-permissive-2.0 etalab-2.0 odc-by cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0",
    Kind.SHARE_ALIKE: "c-uda openrail lgpl lgpl-2.1 lgpl-3.0 epl-1.0 epl-2.0 mpl-2.0 eupl-1.1 eupl-1.2 osl-3.0 "
        "cdla-sharing-1.0 odbl gfdl cc-by-sa-3.0 cc-by-sa-4.0 gpl gpl-2.0 gpl-3.0 agpl-3.0",
    Kind.NON_COMMERCIAL: "cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0",
    Kind.NO_DERIVATIVES: "cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0",
}
# fmt: on
_BY_ID = {identifier: kind for kind, text in _KINDS.items() for identifier in text.split()}
_ORDER = list(_BY_ID)
HUB_LICENCES = frozenset(_BY_ID)
"""Identifiers that the Hub knows; any other text fails its validation of a card."""
_ELSEWHERE = frozenset("0bsd mit-0 blueoak-1.0.0 ogl-uk-2.0 ogl-uk-3.0 psf-2.0 unicode-3.0 upl-1.0".split())
"""Permissive ones that the Hub has no identifier for."""

_MAY_BECOME = {
    "cc-by-sa-3.0": {"cc-by-sa-4.0", "gpl-3.0"},
    "cc-by-sa-4.0": {"gpl-3.0"},
    "cc-by-nc-sa-2.0": {"cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"},
    "cc-by-nc-sa-3.0": {"cc-by-nc-sa-4.0"},
    "lgpl-2.1": {"gpl-2.0", "gpl-3.0"},
    "lgpl-3.0": {"gpl-3.0"},
    "mpl-2.0": {"gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl-2.1", "lgpl-3.0"},
    "gpl-3.0": {"agpl-3.0"},
}
"""Share-alike licences whose adaptations may be shared under another one: a later version, or one they name."""

_EXCLUDE = {frozenset({"apache-2.0", "gpl-2.0"})}
"""Pairs that can't stand in one work though neither asks more than the other in our terms."""


@dataclass(frozen=True)
class Licence:
    """A licence as a text names it. `name` is empty where the text names none."""

    name: str
    kind: Kind
    terms: frozenset[str] = frozenset()
    """Of `sa` (share alike), `nc` (no commercial use), `nd` (no derivatives)."""

    @property
    def identifier(self) -> str:
        """The Hub's: `other` where it has none for this licence, `unknown` where none is stated."""
        return UNKNOWN if not self.name else self.name if self.name in HUB_LICENCES else "other"

    @property
    def _rank(self) -> tuple[int, int, str]:
        return (self.kind, _ORDER.index(self.name) if self.name in _BY_ID else len(_ORDER), self.name)

    def may_be_shared_under(self, other: Licence) -> bool:
        """Whether a work made of both could be shared under `other` alone."""
        if self.name == other.name:
            return True
        if frozenset({self.name, other.name}) in _EXCLUDE or self.kind is Kind.UNKNOWN:
            return False
        if "sa" in self.terms and other.name not in _MAY_BECOME.get(self.name, ()):
            return False
        return self.terms - {"sa"} <= other.terms


@dataclass(frozen=True)
class Settled:
    """The licence of a whole of which every part has its own."""

    licence: Licence
    """The most restrictive of them."""
    clashing: tuple[str, ...] = ()
    """Names of those that can't be shared under it: the whole has no single licence then."""

    @property
    def identifier(self) -> str:
        return "other" if self.clashing and self.licence.name else self.licence.identifier


def identify(text: str) -> Licence:
    """The licence that a text names.

    >>> identify("https://creativecommons.org/licenses/by-sa/4.0/").name
    'cc-by-sa-4.0'
    """
    name = _canonical(text)
    if name in _UNSTATED:
        return Licence("", Kind.UNKNOWN)
    if name in _PUBLIC_DOMAIN:
        return Licence(name, Kind.PUBLIC_DOMAIN)
    if name in _ELSEWHERE:
        return Licence(name, Kind.PERMISSIVE)
    if name in _BY_ID:
        kind = _BY_ID[name]
        own = {"sa"} if kind is Kind.SHARE_ALIKE else set()
        return Licence(name, kind, frozenset(own | _elements(name)))
    elements = _elements(name)
    if not name.startswith("cc-by"):
        return Licence(name, Kind.UNKNOWN)
    order = {"nd": Kind.NO_DERIVATIVES, "nc": Kind.NON_COMMERCIAL, "sa": Kind.SHARE_ALIKE}
    return Licence(name, next((order[each] for each in order if each in elements), Kind.PERMISSIVE), elements)


def check_licence(text: str) -> None:
    """InputError where a text that is given as a licence names none."""
    if not identify(text).name:
        raise InputError(f"--licence {text!r} names no licence: write its identifier, such as apache-2.0 or cc-by-4.0")


def settle(licences: Iterable[str]) -> Settled:
    """The licence of a whole from those of its parts; it is unknown where one of them, or all, are."""
    found = sorted({identify(text) for text in licences}, key=lambda each: each._rank)
    unstated = next((each for each in found if not each.name), None)
    if not found or unstated:
        return Settled(unstated or Licence("", Kind.UNKNOWN))
    most = found[-1]
    return Settled(most, tuple(each.name for each in found[:-1] if not each.may_be_shared_under(most)))


def most_restrictive(licences: Iterable[str]) -> str:
    """The Hub's identifier for a whole with these parts; `other` where they clash or it has none, `unknown` where one is.

    >>> most_restrictive(["MIT", "CC BY-SA 4.0"])
    'cc-by-sa-4.0'
    """
    return settle(licences).identifier


def spdx_of(licence: str) -> str:
    """Identifier of a licence in SPDX's list, as it is spelled there; empty where it is not known.

    >>> spdx_of("Creative Commons Attribution 4.0 International")
    'CC-BY-4.0'
    """
    return _SPDX.get(identify(licence).name, "")


def allows_commercial_use(licence: str) -> bool:
    """Whether a licence, or an SPDX expression (`Apache-2.0 OR MIT`), is known to allow commercial use of what is made of it.

    One side of an OR does, both of an AND must. False for what is unknown, and for licences that forbid changed
    copies (ND): a query that was made of a text changes it.

    >>> allows_commercial_use("CC-BY-NC-4.0 OR Apache-2.0"), allows_commercial_use("CC-BY-NC-4.0 AND MIT")
    (True, False)
    """
    expression = licence.strip()
    if expression.startswith("(") and expression.endswith(")"):
        expression = expression[1:-1].strip()
    if "(" in expression:
        return False
    return any(all(map(_is_commercial, _AND.split(side))) for side in _OR.split(expression))


_AND, _OR = re.compile(r"\s+AND\s+"), re.compile(r"\s+OR\s+")


def _is_commercial(licence: str) -> bool:
    found = identify(licence)
    return found.kind is not Kind.UNKNOWN and not found.terms & {"nc", "nd"}


_UNSTATED = frozenset(
    ("", "unknown", "none", "n-a", "na", "null", "unspecified", "not-specified", "tbd", "noassertion")
)
_PUBLIC_DOMAIN = frozenset(("public-domain", "publicdomain", "pd", "cc-pdm-1.0", "cc-mark-1.0"))
_ADDRESS = re.compile(r"creativecommons\.org/(?:licenses|licences|publicdomain)/([a-z-]+)/(\d\.\d)")
_WORDS = {
    "creative commons": "cc", "attribution": "by", "share alike": "sa", "sharealike": "sa", "non commercial": "nc",
    "noncommercial": "nc", "no derivatives": "nd", "noderivatives": "nd", "noderivs": "nd", "no derivs": "nd",
}  # fmt: skip
_NOISE = re.compile(
    r"\b(?:the|licen[cs]es?|version|international|unported|universal|generic|software|gnu|only|or later)\b"
)
_VERSION = re.compile(r"(?<=[a-z])[ -]?v?(\d)(?:\.0)?$")
_ALIASES = {
    "apache": "apache-2.0", "bsd-2": "bsd-2-clause", "bsd-3": "bsd-3-clause", "2-clause-bsd": "bsd-2-clause",
    "3-clause-bsd": "bsd-3-clause", "cc-0": "cc0-1.0", "cc0": "cc0-1.0", "cc-zero-1.0": "cc0-1.0", "cc-cc0-1.0": "cc0-1.0",
    "general-public-3.0": "gpl-3.0", "general-public-2.0": "gpl-2.0", "mozilla-public-2.0": "mpl-2.0",
    "lesser-general-public-3.0": "lgpl-3.0", "affero-general-public-3.0": "agpl-3.0", "free-documentation": "gfdl",
    "odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl", "odc-odbl": "odbl", "etalab": "etalab-2.0",
}  # fmt: skip


def _canonical(text: str) -> str:
    """Lower case, parts joined by dashes, versions as `-4.0`."""
    folded = text.strip().casefold()
    if found := _ADDRESS.search(folded):
        folded = f"cc {found[1]} {found[2]}"
    folded = re.sub(r"[^a-z0-9.]+", " ", folded).replace("apache2", "apache 2")
    for words, short in _WORDS.items():
        folded = re.sub(rf"\b{words}\b", short, folded)
    folded = re.sub(r"(?<=[a-z])v(?=\d)", " ", re.sub(r"\bv(?=\d)", "", folded))
    plain = "-".join(_NOISE.sub(" ", folded).split()).strip(".")
    name = re.sub(r"^(cc-[a-z-]+-\d\.\d)(?:-[a-z]{2,3})+$", r"\1", plain)  # ported to a country
    name = name if name in _BY_ID or name in _ALIASES else _VERSION.sub(r"-\1.0", name)
    return _ALIASES.get(name, name)


def _elements(name: str) -> frozenset[str]:
    """Of a Creative Commons licence, by its name."""
    return frozenset(name.split("-")) & {"sa", "nc", "nd"} if name.startswith("cc-by") else frozenset()


_SPDX = {
    identify(each).name: each
    for each in (
        "Apache-2.0 MIT BSD-2-Clause BSD-3-Clause ISC Zlib MPL-2.0 Unlicense CC0-1.0 CC-BY-2.0 CC-BY-3.0 CC-BY-4.0"
        " CC-BY-SA-3.0 CC-BY-SA-4.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0"
        " CC-BY-NC-ND-4.0 ODbL-1.0 ODC-By-1.0 PDDL-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0"
        " etalab-2.0 EUPL-1.2 OGL-UK-2.0 OGL-UK-3.0"
    ).split()
}
