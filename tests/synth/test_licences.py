"""Licences: read as people write them, ordered by what they ask, never guessed."""

from __future__ import annotations

import pytest

from synth.licences import HUB_LICENCES, Kind, allows_commercial_use, identify, most_restrictive, settle


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Apache 2.0", "apache-2.0"),
        ("Apache-2.0", "apache-2.0"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("apache2", "apache-2.0"),
        ("The MIT License", "mit"),
        ("MIT", "mit"),
        ("BSD 3-Clause License", "bsd-3-clause"),
        ("CC0", "cc0-1.0"),
        ("CC0 1.0 Universal", "cc0-1.0"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("CC-BY-SA-4.0", "cc-by-sa-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International", "cc-by-sa-4.0"),
        ("Creative Commons Attribution Non Commercial No Derivatives 4.0", "cc-by-nc-nd-4.0"),
        ("https://creativecommons.org/licenses/by-nc/4.0/", "cc-by-nc-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("CC BY 3.0 IGO", "cc-by-3.0"),
        ("GPL-3.0-or-later", "gpl-3.0"),
        ("GPLv3", "gpl-3.0"),
        ("GNU General Public License v3.0", "gpl-3.0"),
        ("LGPL-2.1-only", "lgpl-2.1"),
        ("MPL 2.0", "mpl-2.0"),
        ("ODbL", "odbl"),
        ("ODC-By v1.0", "odc-by"),
    ],
)
def test_a_licence_is_known_as_people_write_it(written: str, name: str) -> None:
    found = identify(written)
    assert (found.name, found.identifier) == (name, name)


@pytest.mark.parametrize("identifier", sorted(HUB_LICENCES))
def test_every_identifier_of_the_hub_stands_for_itself(identifier: str) -> None:
    assert identify(identifier).name == identify(identifier.upper()).name == identifier


@pytest.mark.parametrize("written", ["", "  ", "unknown", "None", "N/A", "NOASSERTION"])
def test_no_licence_is_no_licence(written: str) -> None:
    assert identify(written).identifier == "unknown"
    assert most_restrictive(["MIT", written]) == "unknown"


def test_nothing_has_no_licence() -> None:
    assert most_restrictive([]) == "unknown"


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["MIT"], "mit"),
        (["CC0", "MIT"], "mit"),
        (["MIT", "Apache-2.0"], "apache-2.0"),
        (["MIT", "CC-BY-4.0"], "cc-by-4.0"),
        (["CC-BY-4.0", "CC-BY-SA-4.0"], "cc-by-sa-4.0"),
        (["CC-BY-SA-3.0", "CC-BY-SA-4.0"], "cc-by-sa-4.0"),
        (["CC-BY-4.0", "CC-BY-NC-4.0"], "cc-by-nc-4.0"),
        (["CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"], "cc-by-nc-sa-4.0"),
        (["CC-BY-4.0", "CC-BY-ND-4.0"], "cc-by-nd-4.0"),
        (["CC-BY-NC-4.0", "CC-BY-NC-ND-4.0"], "cc-by-nc-nd-4.0"),
        (["LGPL-3.0", "GPL-3.0", "MIT"], "gpl-3.0"),
        (["CC-BY-SA-4.0", "GPL-3.0"], "gpl-3.0"),
    ],
)
def test_the_most_restrictive_licence_wins(parts: list[str], whole: str) -> None:
    assert most_restrictive(parts) == most_restrictive(reversed(parts)) == whole


@pytest.mark.parametrize(
    ("parts", "clashing"),
    [
        (["CC-BY-SA-4.0", "GFDL"], ("gfdl",)),
        (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], ("cc-by-sa-4.0",)),
        (["CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"], ("cc-by-sa-4.0",)),
        (["CC-BY-NC-4.0", "CC-BY-ND-4.0"], ("cc-by-nc-4.0",)),
        (["GPL-2.0", "GPL-3.0"], ("gpl-2.0",)),
        (["Apache-2.0", "GPL-2.0"], ("apache-2.0",)),
        (["Acme house terms", "CC-BY-SA-4.0"], ("cc-by-sa-4.0",)),
        (["Acme house terms", "Other house terms"], ("acme-house-terms",)),
    ],
)
def test_licences_that_exclude_each_other_have_no_single_one(parts: list[str], clashing: tuple[str, ...]) -> None:
    assert settle(parts).clashing == clashing
    assert most_restrictive(parts) == "other"


def test_terms_of_a_house_are_stated_but_not_the_hubs() -> None:
    found = settle(["Acme house terms", "MIT"])
    assert (found.licence.name, found.identifier, found.clashing) == ("acme-house-terms", "other", ())


def test_a_creative_commons_licence_without_its_version_is_ordered_by_its_elements() -> None:
    found = identify("CC BY-NC-SA")
    assert (found.name, found.identifier, found.kind) == ("cc-by-nc-sa", "other", Kind.NON_COMMERCIAL)
    assert not allows_commercial_use("CC BY-NC-SA")


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("CC0", True),
        ("Public Domain", True),
        ("MIT", True),
        ("CC BY-SA 4.0", True),
        ("CC-BY-ND-4.0", False),
        ("CC-BY-NC-4.0", False),
        ("CC-BY-NC-ND-4.0", False),
        ("Acme house terms", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_commercial_use_is_allowed_only_where_it_is_known_to_be(licence: str, allowed: bool) -> None:
    assert allows_commercial_use(licence) is allowed
