from __future__ import annotations

import pytest

from schemas.manifest import DocumentChanges, Manifest, UpdateCount
from synth.quality import Threshold
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    store = Store(tmp_path_factory.mktemp("quality") / "store")
    return execute(create_run(resolve(Choices("finance", limit=20)), store)).manifest


def test_a_good_version_misses_nothing_though_more_was_planned_than_asked_for(manifest: Manifest) -> None:
    assert manifest.funnel.accepted < 0.03 * manifest.funnel.planned
    assert Threshold().missed(manifest) == []


def test_each_number_that_is_too_low_is_told_with_the_least_that_was_wanted(manifest: Manifest) -> None:
    wanted = Threshold(min_records=100, min_accepted=1.0, min_carried=0.9, min_negatives=50)
    documents = DocumentChanges(unchanged=1, new=0, changed=0, deleted=9)
    update = UpdateCount(
        parent_sha256="0", records=10, carried=2, retired={"gone": 8}, documents=documents, frozen_test=True
    )
    records, accepted, carried, negatives = wanted.missed(manifest.model_copy(update={"update": update}))
    assert records == "20 records, at least 100 wanted"
    assert accepted == "906 of 1,000 items good enough, at least 1 wanted"
    assert carried == "2 of 10 records carried over, at least 0.9 wanted"
    assert negatives.endswith("mined negatives for 20 records, at least 50 wanted")


def test_an_update_that_planned_nothing_is_measured_by_what_it_carried(manifest: Manifest) -> None:
    funnel = manifest.funnel.model_copy(update={"planned": 0, "accepted": 0, "rejected": {}, "failed": {}})
    assert Threshold(min_accepted=1.0).missed(manifest.model_copy(update={"funnel": funnel})) == []
