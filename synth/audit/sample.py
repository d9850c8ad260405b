"""Which records and rejects are audited: strata by status, by what rejected them and by task.

Half of the rows go to accepted records, half to rejects; of these as many to each gate and reason; within those by
task, in proportion. Strata that would get no row are joined with others, so that everything in the population can be
drawn. Within a stratum the ids with the lowest draws by hash are taken: a simple random sample without replacement.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

import numpy as np

from schemas.audit import AuditStatus, Stratum
from synth.mining.sampling import even_shares

T = TypeVar("T")


@dataclass
class Cell:
    """Part of a population: how many are in it, and the `most` lowest draws with their ids."""

    status: AuditStatus
    causes: frozenset[str]
    tasks: frozenset[str]
    most: int
    size: int = 0
    lowest: list[tuple[float, str]] = field(default_factory=list)
    """A heap of negated draws: the highest of them comes first."""

    def add(self, drawn: float, name: str) -> None:
        self.size += 1
        if len(self.lowest) < self.most:
            heapq.heappush(self.lowest, (-drawn, name))
        elif -drawn > self.lowest[0][0]:
            heapq.heapreplace(self.lowest, (-drawn, name))

    def joined(self, other: Cell) -> Cell:
        """Both as one."""
        lowest = heapq.nlargest(self.most, [*self.lowest, *other.lowest])
        heapq.heapify(lowest)
        causes, tasks = self.causes | other.causes, self.tasks | other.tasks
        return Cell(self.status, causes, tasks, self.most, self.size + other.size, lowest)

    def ids(self, count: int) -> list[str]:
        """Those with the lowest draws."""
        return [name for _, name in heapq.nlargest(count, self.lowest)]


@dataclass(frozen=True)
class Drawn:
    """A stratum and the ids that were drawn of it."""

    stratum: Stratum
    ids: list[str]


class Population:
    """Everything that can be audited, in bounded memory however much it is."""

    def __init__(self, sample: int) -> None:
        self._sample = sample
        self._cells: dict[tuple[str, str, str], Cell] = {}

    def add(self, drawn: float, name: str, status: AuditStatus, cause: str, task: str) -> None:
        """One record or reject, with its draw in [0, 1)."""
        key = (status, cause, task)
        if key not in self._cells:
            causes = frozenset({cause} if cause else ())
            self._cells[key] = Cell(status, causes, frozenset({task}), self._sample)
        self._cells[key].add(drawn, name)

    @property
    def size(self) -> int:
        return sum(cell.size for cell in self._cells.values())

    def draw(self) -> list[Drawn]:
        """The sample, by stratum: of everything where there is less than was asked for."""
        by_status = _grouped(self._cells.values(), lambda cell: cell.status)
        statuses = [by_status[name] for name in sorted(by_status)]
        return [
            drawn
            for cells, count in zip(statuses, _shares(statuses, self._sample), strict=True)
            for drawn in _of_status(cells, count)
        ]


def _of_status(cells: Sequence[Cell], count: int) -> Iterator[Drawn]:
    causes = list(_grouped(cells, lambda cell: cell.causes).values())
    causes.sort(key=lambda group: (-_size(group), sorted(group[0].causes)))
    if len(causes) > count:
        causes = [*causes[: count - 1], [cell for group in causes[count - 1 :] for cell in group]]
    for group, wanted in zip(causes, _shares(causes, count), strict=True):
        strata = _by_task(group, wanted)
        for cell, number in zip(strata, _proportional([each.size for each in strata], wanted), strict=True):
            yield Drawn(
                Stratum(
                    status=cell.status,
                    causes=sorted(cell.causes),
                    tasks=sorted(cell.tasks),
                    size=cell.size,
                    drawn=number,
                ),
                cell.ids(number),
            )


def _by_task(cells: Sequence[Cell], count: int) -> list[Cell]:
    """One cell a task; the smallest are joined until each may expect a row."""
    tasks = [reduce(Cell.joined, group) for group in _grouped(cells, lambda cell: cell.tasks).values()]
    total = _size(cells)
    tasks.sort(key=lambda cell: (-cell.size, sorted(cell.tasks)))
    while len(tasks) > 1 and tasks[-1].size * count < total:
        last, before = tasks.pop(), tasks.pop()
        tasks.append(before.joined(last))
        tasks.sort(key=lambda cell: (-cell.size, sorted(cell.tasks)))
    return tasks


def _proportional(sizes: Sequence[int], count: int) -> list[int]:
    """Shares of `count` by size, the largest remainders rounded up; nobody gets more than its size."""
    total = sum(sizes)
    shares = [count * size // total for size in sizes]
    rest = sorted(range(len(sizes)), key=lambda n: (-(count * sizes[n] % total), n))
    for number in rest[: count - sum(shares)]:
        shares[number] += 1
    return shares


def _shares(groups: Sequence[Sequence[Cell]], count: int) -> list[int]:
    shares: list[int] = even_shares(np.asarray([_size(group) for group in groups], dtype=np.int64), count).tolist()
    return shares


def _size(cells: Iterable[Cell]) -> int:
    return sum(cell.size for cell in cells)


def _grouped(cells: Iterable[Cell], key: Callable[[Cell], T]) -> dict[T, list[Cell]]:
    groups: dict[T, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[key(cell)].append(cell)
    return dict(groups)
