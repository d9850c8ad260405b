"""What an audit tells of a version: how far people agree, what gates and judge get right, what is wrong with negatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from schemas.audit import AuditKey, AuditRow
from synth.arrays import Doubles, Mask
from synth.audit.agreement import Agreement, agreement_of
from synth.audit.answers import Sheet, read_sheets
from synth.audit.calibration import Calibration, calibrations
from synth.audit.rates import Rate, Strata, share
from synth.audit.sheets import KEY
from synth.audit.votes import NegativeVotes, Votes, codes, decided, majority
from synth.errors import InputError


@dataclass(frozen=True)
class Accepted:
    """Of the accepted records: the share that people call right, and what makes it up."""

    right: Rate
    relevant: Rate
    clear: Rate
    by_task: dict[str, Rate]


@dataclass(frozen=True)
class Rejected:
    """Of what was rejected: the share that people call right (falsely rejected)."""

    right: Rate
    by_gate: dict[str, Rate]
    by_cause: dict[str, Rate]
    by_task: dict[str, Rate]


@dataclass(frozen=True)
class JudgeRates:
    """The judge at the recipe's bounds, over what it judged.

    precision: right of what it keeps; recall: kept of what is right; false_reject: right of what it drops
    """

    bounds: str
    models: list[str]
    precision: Rate
    recall: Rate
    false_reject: Rate


@dataclass(frozen=True)
class Peer:
    """How often somebody says what most of the others say, over rows where most say something; not weighted.

    judged: the same over rows that the judge judged
    """

    name: str
    agrees: Rate
    judged: Rate


@dataclass(frozen=True)
class Negatives:
    """The share of hard negatives that are right for the query as well (false negatives)."""

    false: Rate
    by_method: dict[str, Rate]


@dataclass(frozen=True)
class Findings:
    """All of it. `covered` is the share of accepted and of rejected that the answered rows stand for."""

    dataset: str
    content_sha256: str
    wanted_precision: float
    population: dict[str, int]
    left_out: dict[str, int]
    covered: dict[str, float]
    undecided: int
    """Rows whose every auditor is unsure."""
    sheets: list[Sheet]
    agreement: dict[str, Agreement]
    accepted: Accepted
    rejected: Rejected
    judge: JudgeRates | None
    negatives: Negatives
    ceiling: list[Peer]
    calibration: list[Calibration]


def import_audit(folder: Path, precision: float = 0.95) -> Findings:
    """Read the sheets of a folder and compute; nothing is written. InputError where they can't be used."""
    key = read_key(folder)
    sheets = read_sheets(folder, key)
    if not any(answer != type(answer)() for sheet in sheets for answer in sheet.answers.values()):
        files = ", ".join(sheet.file for sheet in sheets)
        raise InputError(
            f"nothing is answered in {folder} ({files}): fill the columns relevant, clear and negatives_right, see how-to.md"
        )
    return compute(key, sheets, precision)


def read_key(folder: Path) -> AuditKey:
    """The key of an audit's folder."""
    try:
        return AuditKey.model_validate_json((folder / KEY).read_bytes())
    except OSError as error:
        raise InputError(
            f"{folder} is no audit: it has no readable {KEY} ({error.strerror}); name the folder that `synth audit export` wrote, with the filled sheets in it"
        ) from error
    except ValidationError as error:
        raise InputError(
            f"{folder / KEY} was changed: {error.errors()[0]['msg']}; export the audit again, with the same seed, to get it back"
        ) from error


def compute(key: AuditKey, sheets: Sequence[Sheet], precision: float) -> Findings:
    """Everything that the answers tell."""
    votes = Votes.of(key, sheets)
    right, relevant, clear = (majority(each) for each in (votes.right, votes.relevant, votes.clear))
    rater = _Rater(key, right)
    known = ~np.isnan(right)
    negatives = NegativeVotes.of(key, sheets)
    return Findings(
        dataset=key.dataset,
        content_sha256=key.content_sha256,
        wanted_precision=precision,
        population={name: sum(s.size for s in key.strata if s.status == name) for name in ("accepted", "rejected")},
        left_out=key.left_out,
        covered={name: rater.strata.covered(known, rater.are(status=name)) for name in ("accepted", "rejected")},
        undecided=int((~known & ~np.isnan(votes.relevant).all(axis=0)).sum()),
        sheets=list(sheets),
        agreement=_agreement(votes, negatives),
        accepted=_accepted(rater, relevant, clear),
        rejected=_rejected(rater),
        judge=_judge(rater),
        negatives=_negatives(rater.strata, negatives),
        ceiling=_ceiling(rater, votes.right, sheets),
        calibration=list(calibrations(key, relevant, clear, precision)),
    )


class _Rater:
    """Weighted shares of the rows of a key."""

    def __init__(self, key: AuditKey, right: Doubles) -> None:
        self.key, self.right, self.strata = key, right, Strata.of(key)

    def rate(self, among: Mask, value: Doubles | None = None) -> Rate:
        """The share that is right, or has another value, among some rows."""
        value = self.right if value is None else value
        known = ~np.isnan(value)
        return share(np.nan_to_num(value), np.where(among, self.strata.weights(known), 0.0))

    def are(self, **fields: object) -> Mask:
        """Rows with these fields."""
        return np.asarray([all(getattr(row, name) == value for name, value in fields.items()) for row in self.key.rows])

    def by(self, among: Mask, name: Callable[[AuditRow], str]) -> dict[str, Rate]:
        names = np.asarray([name(row) for row in self.key.rows])
        return {each: self.rate(among & (names == each)) for each in sorted(set(names[among].tolist()))}


def _agreement(votes: Votes, negatives: NegativeVotes) -> dict[str, Agreement]:
    found = {"relevant": votes.relevant, "clear": votes.clear, "negatives_right": negatives.said}
    computed = {name: agreement_of(codes(said)) for name, said in found.items() if said.size}
    return {name: agreement for name, agreement in computed.items() if agreement is not None}


def _accepted(rater: _Rater, relevant: Doubles, clear: Doubles) -> Accepted:
    among = rater.are(status="accepted")
    return Accepted(
        rater.rate(among), rater.rate(among, relevant), rater.rate(among, clear), rater.by(among, lambda row: row.task)
    )


def _rejected(rater: _Rater) -> Rejected:
    among = rater.are(status="rejected")
    return Rejected(
        rater.rate(among),
        rater.by(among, lambda row: row.gate),
        rater.by(among, lambda row: f"{row.gate}/{row.reason}"),
        rater.by(among, lambda row: row.task),
    )


def _judge(rater: _Rater) -> JudgeRates | None:
    kept, dropped = rater.are(kept_by_judge=True), rater.are(kept_by_judge=False)
    if not (kept | dropped).any():
        return None
    known = ~np.isnan(rater.right)
    held = np.where(kept | dropped, rater.strata.weights(known) * np.nan_to_num(rater.right), 0.0)
    models = {row.judgement.model for row in rater.key.rows if row.judgement}
    recall = share(kept.astype(np.float64), held)
    return JudgeRates(rater.key.judge, sorted(models), rater.rate(kept), recall, rater.rate(dropped))


def _negatives(strata: Strata, negatives: NegativeVotes) -> Negatives:
    said = majority(negatives.said)
    known = ~np.isnan(said)
    rows = np.zeros(len(strata.of_row), dtype=bool)
    rows[negatives.row[known]] = True
    held = np.zeros(len(strata.of_row), dtype=bool)
    held[negatives.row] = True
    weight = np.where(known, _of_holders(strata, rows, held)[negatives.row] * negatives.times, 0.0)
    methods = np.asarray(negatives.method)

    def rate(among: Mask) -> Rate:
        return share(np.nan_to_num(said), np.where(among, weight, 0.0), negatives.row)

    names = sorted(set(negatives.method))
    return Negatives(rate(known), {name: rate(methods == name) for name in names})


def _of_holders(strata: Strata, answered: Mask, held: Mask) -> Doubles:
    """Weights of the answered of those rows that have negatives: these stand for the part of their stratum that has some."""
    drawn = np.bincount(strata.of_row, minlength=len(strata.size))
    holding = np.bincount(strata.of_row[held], minlength=len(strata.size))
    part = Strata(strata.of_row, strata.size * holding / np.maximum(drawn, 1))
    return part.weights(answered)


def _ceiling(rater: _Rater, right: Doubles, sheets: Sequence[Sheet]) -> list[Peer]:
    kept, dropped = rater.are(kept_by_judge=True), rater.are(kept_by_judge=False)
    judged = kept | dropped
    peers = []
    for place, sheet in enumerate(sheets if len(sheets) > 1 else ()):
        others = majority(np.delete(right, place, axis=0))
        peers.append(_peer(f"auditor {sheet.auditor}", right[place], others, judged))
    if judged.any():
        said = np.where(kept, 1.0, np.where(dropped, 0.0, math.nan))
        peers.append(_peer("judge", said, rater.right, judged))
    return peers


def _peer(name: str, said: Doubles, others: Doubles, judged: Mask) -> Peer:
    compared = decided(said) & decided(others)
    same = (said == others).astype(np.float64)
    return Peer(name, share(same, compared.astype(np.float64)), share(same, (compared & judged).astype(np.float64)))
