"""What the gate `contamination` dropped, by evaluation set, for the manifest."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from schemas.manifest import Decontamination
from schemas.recipe import GateSettings
from synth.assess import Assessment, read_items
from synth.evaluation import load_evaluation
from synth.gates.contamination import Contamination, set_of
from synth.shard import Workshop
from synth.view import EVALUATIONS


def count_contamination(workshop: Workshop, assessment: Assessment) -> list[Decontamination]:
    """One entry an evaluation set, in the recipe's order; none without the gate."""
    chosen = [gate for gate in workshop.recipe.set_gates if gate.name == Contamination.name]
    dropped = _dropped(workshop, assessment) if chosen else {}
    return [_entry(workshop, each, dropped.get(each["name"], {})) for gate in chosen for each in _sets(gate)]


def _sets(gate: GateSettings) -> list[dict[str, Any]]:
    return [each.model_dump() for each in Contamination.Settings(**gate.settings).sets]


def _entry(workshop: Workshop, each: dict[str, Any], dropped: dict[str, list[str]]) -> Decontamination:
    evaluation = load_evaluation(workshop.folder / EVALUATIONS, each["sha256"], each["name"])
    return Decontamination(
        **each,
        queries=len(evaluation.queries),
        passages=len(evaluation.passages),
        hits={reason: len(ids) for reason, ids in sorted(dropped.items())},
        ids={reason: sorted(ids) for reason, ids in sorted(dropped.items())},
    )


def _dropped(workshop: Workshop, assessment: Assessment) -> dict[str, dict[str, list[str]]]:
    """Ids of dropped records by set and reason."""
    verdicts = {
        place: verdict for place, verdict in assessment.set_rejects.items() if verdict.gate == Contamination.name
    }
    positions = np.asarray(sorted(verdicts), dtype=np.int64)
    tables = read_items(workshop.folder, assessment.shards, positions, ["id"])
    ids = [each for table in tables for each in table["id"].to_pylist()]
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for position, record in zip(positions.tolist(), ids, strict=True):
        found[set_of(verdicts[position])][verdicts[position].reason].append(record)
    return found
