"""Whether a version is good enough to be sent on, by numbers of its manifest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.manifest import Manifest
from synth.fingerprint import SURPLUS

Share = Annotated[float, Field(ge=0, le=1)]


class Threshold(Strict):
    """Least numbers; a version that was not made for one of them, such as one that planned nothing, meets it."""

    min_records: Annotated[int, Field(ge=0, description="Records of the version.")] = 1
    min_accepted: Annotated[
        Share, Field(description="Share of the planned items that all gates keep, those beyond the limit too.")
    ] = 0.3
    min_carried: Annotated[
        Share,
        Field(
            description="Share of the parent's records that are carried over: less means that documents went missing."
        ),
    ] = 0.5
    min_negatives: Annotated[float, Field(ge=0, le=64, description="Mean hard negatives a record.")] = 1.0

    def missed(self, manifest: Manifest) -> list[str]:
        """One clause for each number that is too low: `12 records, at least 100 are wanted`."""
        funnel, update, records = manifest.funnel, manifest.update, manifest.records
        good = funnel.accepted + funnel.rejected.get(SURPLUS, 0)
        found = [
            (f"{records:,} records", records, self.min_records),
            (
                f"{good:,} of {funnel.planned:,} items good enough",
                good / funnel.planned if funnel.planned else 1.0,
                self.min_accepted,
            ),
            (
                f"{update.carried:,} of {update.records:,} records carried over" if update else "",
                update.carried / update.records if update and update.records else 1.0,
                self.min_carried,
            ),
            (
                f"{manifest.candidates.get('selected', 0):,} mined negatives for {records:,} records",
                manifest.candidates.get("selected", 0) / records if records else 0.0,
                self.min_negatives if manifest.recipe.mining.negatives else 0.0,
            ),
        ]
        return [f"{told}, at least {least:g} wanted" for told, value, least in found if value < least]
