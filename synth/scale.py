"""Which bounds mean something on a scale of scores.

A share of the positive's score needs a scale with a zero, which logits have not. Numbers that are the best for
cosines mean something else where scores are shares of ranks, or stretched.
"""

from __future__ import annotations

from schemas.recipe import Domain, MiningSettings, ScoringSettings
from synth.errors import InputError
from synth.gates import build_set_gates
from synth.teachers.scoring import Scale, Scoring

_ABSOLUTE = ("similarity", "unit", "cosine")
"""Scales on which the same number means the same for every query."""
_OWN = {"abs": ("max_score", 5, 0.8), "margin_pos": ("absolute_margin", 1, 0.1)}
"""Strategy -> the bound that is its own, and what it may be with logits, and with fused scores."""
CONSISTENCY = "consistency"
FLOOR = "min_score"


def check_bounds(settings: MiningSettings, scale: Scale, *, is_chosen: bool = False) -> None:
    """InputError where a bound means nothing on that scale, with what to take.

    is_chosen: whether the strategy's own bound is found by its rate of false negatives.
    """
    if scale == "logit" and _takes_share(settings):
        raise InputError(
            "the rescorer gives logits, and a share of a logit means nothing: take a margin of so many logits, --strategy margin_pos --absolute-margin 1, or --strategy multi_signal --max-false-negative-rate 0.03 (in a domain file, mining: {strategy: margin_pos, absolute_margin: 1})"
        )
    if scale in _ABSOLUTE or is_chosen or settings.strategy not in _OWN:
        return
    bound, *examples = _OWN[settings.strategy]
    if getattr(settings, bound) is None:
        flag, value = f"--{bound.replace('_', '-')}", examples[scale != "logit"]
        raise InputError(
            f"{settings.strategy} has a {bound} of {settings.bounds[bound]:g}, which is meant for cosines, and these scores are {_SAID[scale]}: give one of their kind, such as {flag} {value} (in a domain file, mining: {{strategy: {settings.strategy}, {bound}: {value}}})"
        )


_SAID = {
    "logit": "logits",
    "rrf": "shares of the best possible rank",
    "weighted": "stretched from 0 to 1 in each query's list",
    "agreement": "stretched from 0 to 1 in each query's list",
}


def _takes_share(settings: MiningSettings) -> bool:
    """Whether a candidate is compared with a share of its positive's score."""
    matched = settings.asks_probability and settings.max_false_negative_rate is None
    return matched or "relative_margin" in settings.bounds


def check_seen(what: str, seen: int, chosen: ScoringSettings) -> None:
    """InputError where `what` needs more ranks than a rescorer gives."""
    if chosen.rescorer and seen > chosen.rescore_depth:
        raise InputError(
            f"{what} needs {seen} ranks, and {chosen.rescore_depth} are rescored: add --rescore-depth {seen}"
        )


def on_scale(domain: Domain, scoring: Scoring) -> Domain:
    """The domain with bounds that mean something for who scores; InputError where there is none.

    The floor of the consistency gate, 0, says that nothing is in common; where scores have no such zero and no floor
    is given, there is none.
    """
    if scoring.is_single:
        return domain
    scale = scoring.scale
    if domain.mining.negatives:
        check_bounds(domain.mining, scale)
    for gate in build_set_gates(domain.set_gates):
        check_seen(f"set_gates: {gate.name}", getattr(gate, "needs_depth", 0), scoring.chosen)
    if scale in _ABSOLUTE:
        return domain
    gates = [
        gate.model_copy(update={"settings": {FLOOR: None} | gate.settings}) if gate.name == CONSISTENCY else gate
        for gate in domain.set_gates
    ]
    return domain.model_copy(update={"set_gates": gates})
