"""How likely a candidate is a positive that nobody labelled: a logistic regression over a few signals.

What ships lies in `data/miners/`, one file a family of teachers, each with one model for every set
of signals that can be had: with or without texts, with or without a search around the positive.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from synth.arrays import Doubles, Mask
from synth.errors import InputError
from synth.mining.signals import SIGNS, Signals
from synth.resources import find_shipped

RIDGE = 0.1
"""L2 penalty on coefficients of standardised signals, where the weights of all rows add up to 1.

Strong on purpose: a handful of sets says which way a signal points, hardly how far.
"""
LEXICAL, EMBEDDER = "lexical", "sentence-embedder"


@dataclass(frozen=True)
class Fitted:
    """What a model was fitted on."""

    teacher: str
    sets: tuple[str, ...]
    rows: int
    date: str


@dataclass(frozen=True)
class FalseNegativeModel:
    """Probability = sigmoid(slope * (intercept + sum of coefficient * (signal - centre) / scale) + offset).

    `slope` and `offset` calibrate (Platt) on sets that the model was not fitted on; the order of the
    candidates does not depend on them. No coefficient has a sign that contradicts `SIGNS`.
    """

    family: str
    signals: tuple[str, ...]
    coefficients: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    intercept: float
    slope: float
    offset: float
    fitted: Fitted

    @staticmethod
    def fit(
        signals: Signals,
        labels: Mask,
        weights: Doubles,
        family: str,
        fitted: Fitted,
        ridge: float = RIDGE,
    ) -> FalseNegativeModel:
        """Maximum likelihood with an L2 penalty, by Newton's method; a coefficient of the wrong sign becomes 0.

        labels: whether a row is a positive, shape (rows,); weights: of the rows, shape (rows,), in any unit.
        """
        share = weights / weights.sum()
        centre = share @ signals.values
        scale = np.sqrt(share @ (signals.values - centre) ** 2)
        scale[scale < 1e-9] = 1.0
        x = np.column_stack([(signals.values - centre) / scale, np.ones(len(labels))])
        signs = np.asarray([SIGNS[name] for name in signals.names])
        free = np.ones(len(signs) + 1, dtype=bool)
        solution = _newton(x, labels, share, free, ridge)
        while (wrong := np.where(free[:-1], solution[:-1] * signs, 0.0)).min(initial=0.0) < 0:
            free[int(wrong.argmin())] = False
            solution = _newton(x, labels, share, free, ridge)
        return FalseNegativeModel(
            family=family,
            signals=signals.names,
            coefficients=_numbers(solution[:-1]),
            centre=_numbers(centre),
            scale=_numbers(scale),
            intercept=float(solution[-1]),
            slope=1.0,
            offset=0.0,
            fitted=fitted,
        )

    def logits(self, signals: Signals) -> Doubles:
        """The linear part before calibration, shape (rows,); enough to put candidates in order."""
        slopes = np.asarray(self.coefficients) / np.asarray(self.scale)
        constant = self.intercept - float(slopes @ np.asarray(self.centre))
        found: Doubles = signals.columns(self.signals) @ slopes + constant
        return found

    def probability(self, signals: Signals) -> Doubles:
        """How likely each candidate is an unlabelled positive, shape (rows,)."""
        return _sigmoid(self.slope * self.logits(signals) + self.offset)

    def calibrated(self, logits: Doubles, labels: Mask, weights: Doubles) -> FalseNegativeModel:
        """The same order of candidates, with slope and offset that fit these labels.

        logits: shape (rows,), of rows that the coefficients were not fitted on: other sets, or what a judge
        said of this one.
        """
        if labels.all() or not labels.any():
            raise InputError("to calibrate, some of the labels must be positives and some not: give more of them")
        x = np.column_stack([logits, np.ones(len(logits))])
        slope, offset = _newton(x, labels, weights / weights.sum(), np.ones(2, dtype=bool), 1e-6).tolist()
        if slope <= 0:
            raise InputError("these labels contradict the model: the likelier a candidate, the fewer are positives")
        return replace(self, slope=slope, offset=offset)

    def with_rate(self, signals: Signals, rate: float) -> FalseNegativeModel:
        """The same order, with the offset that gives these candidates the mean probability `rate`, in (0, 1).

        How many candidates are unlabelled positives differs a hundredfold between corpora and can't be seen
        from signals. Where someone judged n of them and found k to be positives, (k + 0.5) / (n + 1) is a good
        rate, also for k = 0.
        """
        if not 0 < rate < 1:
            raise InputError(
                f"a rate of false negatives of {rate:g} is not between 0 and 1: give (found + 0.5) / (n + 1)"
            )
        logits = self.slope * self.logits(signals)
        low, high = -50.0 - float(logits.max()), 50.0 - float(logits.min())
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if _sigmoid(logits + middle).mean() < rate else (low, middle)
        return replace(self, offset=(low + high) / 2)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words, read back by `from_json`."""
        return asdict(self)

    @staticmethod
    def from_json(value: object, where: str) -> FalseNegativeModel:
        """What `to_json` made; `where` names the file in errors. InputError says which field is wrong."""
        found = _fields_of(value, FalseNegativeModel, where)
        fitted = _fields_of(found["fitted"], Fitted, f"{where}, field 'fitted'")
        signals = tuple(_words_of(found, "signals", where))
        unknown = [name for name in signals if name not in SIGNS]
        if unknown or not signals:
            told = f"no signal is called {unknown[0]!r}" if unknown else "it is empty"
            raise InputError(f"{where}, field 'signals': {told}; known: {', '.join(SIGNS)}")
        coefficients, centre, scale = (
            _numbers_of(found, name, len(signals), where) for name in ("coefficients", "centre", "scale")
        )
        if min(scale) <= 0:
            raise InputError(f"{where}, field 'scale': every number must be above 0")
        for name, coefficient in zip(signals, coefficients, strict=True):
            if coefficient * SIGNS[name] < 0:
                raise InputError(f"{where}, field 'coefficients': that of {name!r} has the wrong sign ({coefficient})")
        sets, rows = tuple(_words_of(fitted, "sets", where)), _number(fitted, "rows", where)
        return FalseNegativeModel(
            family=str(found["family"]),
            signals=signals,
            coefficients=coefficients,
            centre=centre,
            scale=scale,
            intercept=_number(found, "intercept", where),
            slope=_number(found, "slope", where),
            offset=_number(found, "offset", where),
            fitted=Fitted(str(fitted["teacher"]), sets, int(rows), str(fitted["date"])),
        )


def read_models(path: Path) -> tuple[FalseNegativeModel, ...]:
    """The models of a file such as `data/miners/lexical.json`, a JSON list; InputError where it can't be used."""
    try:
        listed = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"can't read the miner's model {path}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{path}: expected a list of models; see data/miners/lexical.json")
    return tuple(FalseNegativeModel.from_json(one, f"{path}, model {n}") for n, one in enumerate(listed, start=1))


def model_for(teacher: Mapping[str, str], available: Collection[str]) -> tuple[FalseNegativeModel, str]:
    """The shipped model for a teacher (its `identity`) that uses most of the available signals.

    Also a sentence for people where the model was fitted with another teacher than this one, else ''.
    """
    name = teacher.get("model", "")
    family = LEXICAL if name == "bm25" else EMBEDDER
    models = read_models(find_shipped("data", "miners", f"{family}.json"))
    usable = [model for model in models if set(model.signals) <= set(available)]
    if not usable:
        raise InputError(f"multi_signal needs at least the signals {' and '.join(min(models, key=_size).signals)}")
    best = max(usable, key=_size)
    known = best.fitted.teacher
    if known.lower() in name.lower().replace("_", "-"):
        return best, ""
    return best, (
        f"multi_signal was fitted with {known}, not with {name or 'this teacher'}: "
        "it orders candidates, but a false-negative rate is an estimate"
    )


def _size(model: FalseNegativeModel) -> int:
    return len(model.signals)


def _newton(x: Doubles, labels: Mask, share: Doubles, free: Mask, ridge: float) -> Doubles:
    """Penalised logistic regression on the columns `free` of x; the last column, of ones, has no penalty."""
    solution = np.zeros(x.shape[1])
    x = x[:, free]
    penalty = np.diag([ridge] * (x.shape[1] - 1) + [0.0])
    found = np.zeros(x.shape[1])
    for _ in range(100):
        expected = _sigmoid(x @ found)
        gradient = (share * (labels - expected)) @ x - penalty @ found
        curvature = (x * (share * expected * (1 - expected))[:, None]).T @ x + penalty
        step = np.linalg.solve(curvature + 1e-12 * np.eye(len(found)), gradient)
        found = found + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    solution[free] = found
    return solution


def _sigmoid(x: Doubles) -> Doubles:
    found: Doubles = 0.5 * (1 + np.tanh(0.5 * x))
    return found


def _numbers(values: Doubles) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _fields_of(value: object, kind: type[Any], where: str) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object with the fields {', '.join(names)}")
    for name in names:
        if name not in value:
            raise InputError(f"{where}: the field {name!r} is missing")
    return value


def _words_of(found: dict[str, Any], name: str, where: str) -> list[str]:
    values = found[name]
    if not isinstance(values, (list, tuple)):
        raise InputError(f"{where}, field {name!r}: expected a list")
    return [str(value) for value in values]


def _numbers_of(found: dict[str, Any], name: str, count: int, where: str) -> tuple[float, ...]:
    if len(_words_of(found, name, where)) != count:
        raise InputError(f"{where}, field {name!r}: {len(found[name])} numbers for {count} signals")
    return tuple(_number({name: value}, name, where) for value in found[name])


def _number(found: dict[str, Any], name: str, where: str) -> float:
    value = found[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise InputError(f"{where}, field {name!r}: {value!r} is not a number")
    return float(value)
