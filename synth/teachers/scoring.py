"""Who scores: a teacher or several, fused, and who rescores what they rank first.

`--teacher lexical,weight=0.3 --teacher BAAI/bge-m3 --fuse weighted --rescore http://HOST:8002/v1 --rescore-depth 50`.
What is chosen goes into a recipe (`ScoringSettings`), how each is reached goes to run.json.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from schemas.base import Strict, sha256_of
from schemas.recipe import FusionMethod, FusionSettings, ScoringSettings
from synth.errors import InputError
from synth.teachers import Teacher, build_teacher
from synth.teachers.fused import Fused
from synth.teachers.rescore import FLAG, PairModel, Rescored, Rescorer, build_rescorer, reach_rescorer
from synth.teachers.settings import TeacherSettings, check_same, parse_model, reach_teacher

Scale = Literal["similarity", "rrf", "weighted", "agreement", "unit", "logit", "cosine"]
"""Of scores: a teacher's own, a fusion's, or the range of a rescorer."""

_WEIGHT = re.compile(r",\s*weight=([^,]*)")


class ReachSettings(Strict):
    """How those who score besides the first teacher are reached: part of run.json."""

    teachers: list[TeacherSettings] = []
    """In the order of the recipe's `fusion.teachers`."""
    rescorer: TeacherSettings = TeacherSettings()


@dataclass(frozen=True)
class Scoring:
    """Who scores, and how each is reached; `reached` has one a teacher."""

    chosen: ScoringSettings
    reached: tuple[TeacherSettings, ...]
    rescorer: TeacherSettings

    @staticmethod
    def of(chosen: ScoringSettings, first: TeacherSettings, others: ReachSettings) -> Scoring:
        """Of a recipe and what run.json says."""
        return Scoring(chosen, (first, *others.teachers), others.rescorer)

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of a recipe."""
        return {name: getattr(self.chosen, name) for name in ScoringSettings.model_fields}

    @property
    def teachers(self) -> list[str]:
        return [self.chosen.teacher, *self.chosen.fusion.teachers]

    @property
    def others(self) -> ReachSettings:
        """How all but the first teacher are reached."""
        return ReachSettings(teachers=list(self.reached[1:]), rescorer=self.rescorer)

    @property
    def is_single(self) -> bool:
        """Whether it is one teacher and nobody else."""
        return len(self.reached) == 1 and not self.chosen.rescorer

    @property
    def scale(self) -> Scale:
        """Of its scores; the server of a rescorer is asked."""
        if self.chosen.rescorer:
            rescorer = build_rescorer(self.chosen.rescorer, Path(), self.rescorer)
            try:
                return rescorer.range
            finally:
                rescorer.close()
        return self.chosen.fusion.method if len(self.reached) > 1 else "similarity"

    def each(self) -> list[Scoring]:
        """Every teacher by itself, with the same rescorer."""
        return [
            replace(
                self,
                chosen=self.chosen.model_copy(update={"teacher": name, "fusion": FusionSettings()}),
                reached=(reached,),
            )
            for name, reached in zip(self.teachers, self.reached, strict=True)
        ]

    def build_rescorer(self, embeddings: Path) -> PairModel | None:
        """None where nobody rescores."""
        return build_rescorer(self.chosen.rescorer, embeddings, self.rescorer) if self.chosen.rescorer else None

    def compose(self, teachers: Sequence[Teacher], rescorer: Rescorer | None, kept: Path | None = None) -> Teacher:
        """One teacher out of those that are built; `kept` is where a run remembers its rescorer."""
        fusion = self.chosen.fusion
        one: Teacher = Fused(teachers, fusion.method, fusion.weights) if len(teachers) > 1 else teachers[0]
        return one if rescorer is None else Rescored(one, rescorer, self.chosen.rescore_depth, kept)

    def flags(self) -> dict[str, Any]:
        """What to type for it: `teacher` (a list), `fuse`, `rescore` and `rescore_depth`; None for what is not needed."""
        chosen, told = self.chosen, zip(self.teachers, self.reached, strict=True)
        weights = [f",weight={weight:g}" for weight in chosen.fusion.weights] or [""] * len(self.reached)
        return {
            "teacher": [f"{reached.flag(name)}{weight}" for (name, reached), weight in zip(told, weights, strict=True)],
            "fuse": chosen.fusion.method if chosen.fusion.teachers else None,
            "rescore": self.rescorer.flag(chosen.rescorer) if chosen.rescorer else None,
            "rescore_depth": chosen.rescore_depth if chosen.rescorer else None,
        }


LEXICAL = Scoring(ScoringSettings(), (TeacherSettings(),), TeacherSettings())


def choose_scoring(
    teachers: Sequence[str] = (),
    fuse: FusionMethod | None = None,
    rescore: str | None = None,
    rescore_depth: int | None = None,
    before: ScoringSettings | None = None,
) -> ScoringSettings:
    """What flags choose, over what was chosen before; teachers that are named take the place of all.

    `lexical,weight=0.3` gives a teacher its weight, 1 where others have one. Nobody is asked. Raises InputError.
    """
    known = before or ScoringSettings()
    teacher, fusion = known.teacher, known.fusion
    if teachers:
        names, given = zip(*map(_weighed, teachers), strict=True)
        weights = [] if not any(given) else [weight or 1.0 for weight in given]
        if weights and len(names) == 1:
            raise InputError(f"--teacher {teachers[0]}: a weight does nothing with one teacher; leave ,weight= out")
        teacher, fusion = names[0], FusionSettings(teachers=list(names[1:]), method=fusion.method, weights=weights)
    if fuse is not None:
        if not fusion.teachers:
            raise InputError(f"--fuse {fuse} needs several teachers; name each with --teacher")
        fusion = fusion.model_copy(update={"method": fuse})
    rescorer = known.rescorer if rescore is None else rescore
    if rescore_depth is not None and not rescorer:
        raise InputError("--rescore-depth does nothing without a rescorer; add --rescore MODEL")
    depth = known.rescore_depth if rescore_depth is None else rescore_depth
    return ScoringSettings(teacher=teacher, fusion=fusion, rescorer=rescorer, rescore_depth=depth)


def reach_scoring(chosen: ScoringSettings) -> Scoring:
    """The same as a recipe names it, and how each is reached; servers are asked for their models. Raises InputError."""
    found = [reach_teacher(text) for text in (chosen.teacher, *chosen.fusion.teachers)]
    names = [name for name, _ in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"the teacher {twice!r} is named twice; name each once, and weigh it with ,weight=2")
    rescorer, reached = reach_rescorer(chosen.rescorer) if chosen.rescorer else ("", TeacherSettings())
    fusion = chosen.fusion.model_copy(update={"teachers": names[1:]})
    settings = ScoringSettings(teacher=names[0], fusion=fusion, rescorer=rescorer, rescore_depth=chosen.rescore_depth)
    return Scoring(settings, tuple(settings for _, settings in found), reached)


def build_scoring(scoring: Scoring, folder: Path, embeddings: Path) -> Teacher:
    """The teacher that it makes; `folder` belongs to a run, `embeddings` is shared. Nothing is loaded or asked yet."""
    one = len(scoring.reached) == 1
    teachers = [
        build_teacher(name, folder if one else index_folder(folder, name), embeddings, reached)
        for name, reached in zip(scoring.teachers, scoring.reached, strict=True)
    ]
    return scoring.compose(teachers, scoring.build_rescorer(embeddings), folder / "rescorer.json")


def index_folder(folder: Path, name: str) -> Path:
    """Where one of several teachers keeps its index."""
    return folder / sha256_of(name)[:16]


def change_scoring(scoring: Scoring, flags: Iterable[str], rescore: str | None) -> Scoring:
    """Other servers or devices for the same teachers and rescorer. Raises InputError where it is another one."""
    reached = list(scoring.reached)
    for flag in flags:
        number, settings = _same(scoring.teachers, flag)
        reached[number] = settings
    rescorer = scoring.rescorer
    if rescore is not None:
        rescorer = _same_rescorer(scoring.chosen.rescorer, rescore)
    return replace(scoring, reached=tuple(reached), rescorer=rescorer)


def _same(names: Sequence[str], flag: str) -> tuple[int, TeacherSettings]:
    refusals = []
    for number, name in enumerate(names):
        try:
            return number, check_same(name, flag)
        except InputError as error:
            refusals.append(error)
    if len(refusals) == 1:
        raise refusals[0]
    raise InputError(
        f"--teacher {flag} is none of the teachers that the run was begun with ({', '.join(names)}): name a server or folder of one of them, or start another run"
    )


def _same_rescorer(name: str, flag: str) -> TeacherSettings:
    if not name:
        raise InputError(f"the run was begun without a rescorer; leave {FLAG} out, or start another run")
    wanted, given = parse_model(name, FLAG)[0], parse_model(flag, FLAG)[0]
    if wanted.is_served and given.is_served and not given.name:
        flag = f"{flag},model={wanted.name}"
    found, settings = reach_rescorer(flag)
    if found not in (name, name.partition(",")[0]):
        raise InputError(
            f"the run was begun with the rescorer {name!r} and can't go on with {found!r}: name a server or folder of the same model, or start another run"
        )
    return settings


def _weighed(text: str) -> tuple[str, float | None]:
    """A teacher without its weight, and the weight; InputError for one that is no number above 0."""
    found = _WEIGHT.search(text)
    if found is None:
        return text, None
    try:
        weight = float(found[1])
    except ValueError:
        weight = 0.0
    if not 0 < weight < math.inf:
        raise InputError(f"--teacher {text}: the weight must be a number above 0, such as 0.3")
    return text[: found.start()] + text[found.end() :], weight


def scale_of(identity: Mapping[str, str]) -> Scale:
    """Of the scores of a table, by the identity of who scored."""
    said: Any = identity.get("range") or identity.get("fusion") or "similarity"
    scale: Scale = said
    return scale
