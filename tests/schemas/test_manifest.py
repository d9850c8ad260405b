from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas.base import sha256_of
from schemas.document import Document, Passage, RejectedSource
from schemas.manifest import Funnel, Manifest, SourceCount, UpdateCount
from schemas.record import RECORD_KINDS, Reject, Retired

COUNTS = st.dictionaries(st.sampled_from(["copied", "too_short", "duplicate"]), st.integers(0, 1000))

SCHEMAS = {1: "fcce7551863272ec7819ddbe8a367955437624132db819ae3cb5d9fe8f9563f4"}
"""Schema version -> hash of the JSON Schemas that it stands for, without their prose."""


@given(accepted=st.integers(0, 1000), rejected=COUNTS, failed=COUNTS)
def test_a_funnel_that_adds_up_is_accepted(accepted: int, rejected: dict[str, int], failed: dict[str, int]) -> None:
    planned = accepted + sum(rejected.values()) + sum(failed.values())
    assert Funnel(planned=planned, accepted=accepted, rejected=rejected, failed=failed).planned == planned


@given(accepted=st.integers(0, 1000), rejected=COUNTS, failed=COUNTS, off=st.integers(-50, 50).filter(bool))
def test_a_funnel_that_does_not_add_up_is_refused(
    accepted: int, rejected: dict[str, int], failed: dict[str, int], off: int
) -> None:
    planned = accepted + sum(rejected.values()) + sum(failed.values())
    assume(planned + off >= 0)
    with pytest.raises(ValidationError, match=f"{planned + off} items were planned but {planned} are accounted for"):
        Funnel(planned=planned + off, accepted=accepted, rejected=rejected, failed=failed)


@pytest.mark.parametrize(
    "counts",
    [
        {"planned": 1, "accepted": -1, "rejected": {"copied": 2}},
        {"planned": 1, "accepted": 2, "rejected": {"copied": -1}},
        {"planned": 1, "accepted": 2, "failed": {"timeout": -1}},
    ],
)
def test_a_negative_count_can_not_hide_lost_items(counts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Funnel.model_validate(counts)


@given(kept=st.integers(0, 100), dropped=COUNTS, off=st.integers(-5, 5))
def test_sources_obey_the_same_law(kept: int, dropped: dict[str, int], off: int) -> None:
    read = kept + sum(dropped.values())
    assume(read + off >= 0)
    if off:
        with pytest.raises(ValidationError, match=f"{read + off} sources were read but {read} are accounted for"):
            SourceCount(read=read + off, kept=kept, dropped=dropped)
    else:
        assert SourceCount(read=read, kept=kept, dropped=dropped).kept == kept


@given(carried=st.integers(0, 1000), retired=COUNTS, off=st.integers(-5, 5))
def test_records_of_a_parent_obey_the_same_law(carried: int, retired: dict[str, int], off: int) -> None:
    records = carried + sum(retired.values())
    counts = {"parent_sha256": "", "carried": carried, "retired": retired, "frozen_test": True}
    counts["documents"] = {"unchanged": 1, "new": 0, "changed": 0, "deleted": 0}
    assume(records + off >= 0)
    if off:
        with pytest.raises(ValidationError, match=f"has {records + off} records but {records} are accounted for"):
            UpdateCount.model_validate(counts | {"records": records + off})
    else:
        assert UpdateCount.model_validate(counts | {"records": records}).carried == carried


def without_prose(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            k: without_prose(v) for k, v in schema.items() if k not in ("title", "description") or isinstance(v, dict)
        }
    return [without_prose(each) for each in schema] if isinstance(schema, list) else schema


def test_a_changed_schema_raises_the_schema_version() -> None:
    """When this fails: raise `schema_version` if a version with the old schema was ever released; enter the new hash."""
    published: list[type[BaseModel]] = [
        Document,
        Passage,
        RejectedSource,
        Reject,
        Retired,
        *RECORD_KINDS.values(),
        Manifest,
    ]
    described = {model.__name__: without_prose(model.model_json_schema()) for model in published}
    current = Manifest.model_fields["schema_version"].default
    assert (max(SCHEMAS), SCHEMAS[max(SCHEMAS)]) == (current, sha256_of(described))
