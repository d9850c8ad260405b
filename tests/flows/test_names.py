from __future__ import annotations

import pytest

from flows.names import artifact_key, dataset_slot


@pytest.mark.parametrize(
    ("stage", "dataset", "key"),
    [
        ("funnel", "finance", "synth-funnel-finance"),
        ("make items", "my_data.v2", "synth-make-items-my-data-v2"),
        ("mine and publish", "a--b_", "synth-mine-and-publish-a-b"),
    ],
)
def test_keys_are_what_prefect_accepts(stage: str, dataset: str, key: str) -> None:
    assert artifact_key(stage, dataset) == key


def test_datasets_of_different_stores_do_not_wait_for_each_other() -> None:
    slots = {dataset_slot(store, name) for store in ("/a", "/b") for name in ("finance", "legal")}
    assert len(slots) == 4
    assert dataset_slot("/a", "finance") == dataset_slot("/a", "finance")
