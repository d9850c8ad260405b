"""What 100 million pairs take, out of stated assumptions and measured figures; and shards on workers that die, simulated.

    python tests/benchmarks/scale_out.py

Prints the tables of docs/scale-out.md. Nothing is generated: it is arithmetic and a simulation with fixed seeds.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass

HOUR = 3_600.0
SEEDS = 5
"""Simulations of each cluster; the table has their means."""
MILLION = 10**6


@dataclass(frozen=True)
class Assumed:
    """Change these to yours; `synth plan --llm URL` measures the ones about the LLM."""

    records: int = 100 * MILLION
    accepted: float = 0.8
    """Share of the items."""
    items_per_passage: int = 4
    repairs: float = 0.05
    """Second questions an item."""
    answer_tokens: int = 40
    prefill: int = 20_000
    """Prompt tokens a second of a GPU that are not in the prefix cache."""
    decode: int = 5_000
    """Answer tokens a second of a GPU."""
    gpus: int = 16
    """That serve the LLM."""
    embedded: int = 2_000
    """Texts a second of a GPU."""
    dimensions: int = 1_024
    search_flops: float = 5e13
    """A GPU in exact search, operations a second."""
    depth: int = 100
    """Candidates a query."""
    answer_bytes: int = 200
    """On disk, with its key."""
    shard: int = 10_000
    """Items."""


@dataclass(frozen=True)
class Measured:
    """docs/measurements.md, 2 cores and no GPU."""

    prompt_tokens: int = 441
    """Instructions 247, document 194."""
    cached: float = 0.713
    client_cpu: float = 0.333e-3
    """Core seconds a request, gates of finance and all."""
    engine: float = 0.282e-3
    """Seconds an item at zero latency."""
    vector_cpu: float = 73e-6
    """Core seconds a text that is embedded by a server."""
    search_flops: float = 2 * 20_000 * 100_000 * 384 / 25.76
    """A core in exact search, operations a second."""
    index_bytes: int = 20
    """Memory a text in the index of the vectors' cache."""
    judged_bytes: int = 70
    """Memory a record while the whole set is judged."""
    record_bytes: int = 620
    passages_prepared: float = (9.8 + 6.1 + 20.5) / 100_000
    """Seconds a passage to read, chunk and compare, in one process."""
    records_ended: float = (6.0 + 20.2) / 98_165
    """Seconds a record to judge the whole set, mine and publish, in one process."""


@dataclass(frozen=True)
class Cluster:
    """Workers on nodes that die and come back."""

    workers: int
    per_node: int = 4
    days_between_deaths: float = math.inf
    """Of one node."""
    away: float = 300.0
    """Seconds until a node is back."""
    spread: float = 0.25
    """Standard deviation of the time a shard takes, as a share of the mean."""
    ahead: int = 4
    """Shards handed over for each worker (flows/runners.py)."""


def main() -> None:
    print(requirements(Assumed(), Measured()))
    print()
    print(simulations(Assumed(), Measured()))


def request_seconds(assumed: Assumed, measured: Measured) -> float:
    """Of one GPU."""
    fresh = measured.prompt_tokens * (1 - measured.cached)
    return fresh / assumed.prefill + assumed.answer_tokens / assumed.decode


def requirements(assumed: Assumed, measured: Measured) -> str:
    """What is needed, with how it is worked out, as Markdown."""
    items = assumed.records / assumed.accepted
    passages = items / assumed.items_per_passage
    requests = items * (1 + assumed.repairs)
    each = request_seconds(assumed, measured)
    gpu = requests * each
    texts = passages + assumed.records
    work = 2.0 * assumed.records * passages * assumed.dimensions
    vector = 2 * assumed.dimensions
    rows = [
        ("items", "records / accepted", _big(items)),
        ("passages", "items / items a passage", _big(passages)),
        ("requests", "items x (1 + repairs)", _big(requests)),
        ("prompt tokens", "requests x 441 *", _big(requests * measured.prompt_tokens)),
        ("of which computed", "x (1 - 0.713 *)", _big(requests * measured.prompt_tokens * (1 - measured.cached))),
        ("answer tokens", "requests x 40", _big(requests * assumed.answer_tokens)),
        ("requests a second and GPU", "1 / (computed prompt / 20,000 + answer / 5,000)", f"{1 / each:.0f}"),
        ("GPU hours, LLM", "requests / that", _hours(gpu)),
        (f"wall time with {assumed.gpus} such GPUs", "GPU hours / GPUs", _hours(gpu / assumed.gpus)),
        ("cores of clients at that pace", "requests a second x 0.333 ms *", f"{assumed.gpus / each * measured.client_cpu:.1f}"),
        ("engine, core hours", "items x 0.282 ms *", _hours(items * measured.engine)),
        ("shards", f"items / {assumed.shard:,}", f"{items / assumed.shard:,.0f}"),
        ("a shard on one GPU", "its requests / requests a second", f"{assumed.shard * (1 + assumed.repairs) * each:.0f} s"),
        ("texts embedded", "passages + records (queries)", _big(texts)),
        ("GPU hours, embedding", "texts / 2,000 a second", _hours(texts / assumed.embedded)),
        ("core hours, embedding", "texts x 73 µs *", _hours(texts * measured.vector_cpu)),
        ("exact search, operations", "2 x records x passages x 1,024", f"{work:.1e}"),
        ("exact search on GPUs, GPU hours", "/ 5e13 a second", _hours(work / assumed.search_flops)),
        ("exact search on CPUs, core hours", f"/ {measured.search_flops:.1e} a second *", _hours(work / measured.search_flops)),
        ("disk, answers", "requests x 200 bytes", _bytes(requests * assumed.answer_bytes)),
        ("disk, vectors of passages", "passages x 2,048 bytes (float16), in the store and in the run", _bytes(2 * passages * vector)),
        ("disk, vectors of queries", "records x 2,048 bytes", _bytes(assumed.records * vector)),
        ("disk, candidates", "records x 100 x 8 bytes, not compressed", _bytes(assumed.records * assumed.depth * 8)),
        ("disk, a version", "records x 620 bytes *", _bytes(assumed.records * measured.record_bytes)),
        ("memory of every process, index of the vectors", "texts x 20 bytes *", _bytes(texts * measured.index_bytes)),
        ("memory, judging the whole set", "records x 70 bytes *", _bytes(assumed.records * measured.judged_bytes)),
        ("one process: read, chunk, compare", "passages x 0.364 ms *", _hours(passages * measured.passages_prepared)),
        ("one process: judge the set, mine, publish", "records x 0.267 ms *", _hours(assumed.records * measured.records_ended)),
    ]  # fmt: skip
    return _table(("what", "how", "for 100 M pairs"), rows)


def simulations(assumed: Assumed, measured: Measured) -> str:
    """Makespan beside the arithmetic, as Markdown."""
    items = assumed.records / assumed.accepted
    shards = round(items / assumed.shard)
    mean = assumed.shard * (1 + assumed.repairs) * request_seconds(assumed, measured)
    rows = []
    for workers in (16, 64, 256):
        for days in (math.inf, 7.0, 0.25):
            cluster = Cluster(workers, days_between_deaths=days)
            each = [simulate(cluster, shards, mean, random.Random(seed)) for seed in range(SEEDS)]
            seconds, deaths, lost = (sum(values) / SEEDS for values in zip(*each, strict=True))
            sum_alone = shards * mean / workers
            expected = predict(cluster, shards, mean)
            told = "never" if math.isinf(days) else f"every {days:g} days"
            rows.append(
                (
                    f"{workers}",
                    told,
                    f"{deaths:.1f}",
                    f"{lost:.1f}",
                    _hours(sum_alone),
                    _hours(expected),
                    _hours(seconds),
                    f"{seconds / expected:.3f}",
                )
            )
    head = ("workers", "a node dies", "deaths", "shards begun again", "shards x mean / workers", "with deaths", "simulated", "ratio")  # fmt: skip
    return _table(head, rows)


def predict(cluster: Cluster, shards: int, mean: float) -> float:
    """Makespan by arithmetic: a death costs the time away and half a shard; the last shards leave half of one idle."""
    share = 0.0
    if not math.isinf(cluster.days_between_deaths):
        share = (cluster.away + mean / 2) / (cluster.days_between_deaths * 24 * HOUR)
    return shards * mean / cluster.workers * (1 + share) + mean / 2


def simulate(cluster: Cluster, shards: int, mean: float, chance: random.Random) -> tuple[float, int, int]:
    """(makespan in seconds, deaths of nodes, shards begun again), as flows/shards.py hands shards over.

    So many shards are handed over and not waited for; they are waited for in order; what runs on a node
    that dies is begun again by the next free worker.
    """
    nodes = cluster.workers // cluster.per_node
    variance = math.log(1 + cluster.spread**2)
    queue: deque[int] = deque()
    events: list[tuple[float, int, int, int]] = []  # when, kind, who, which life of the node
    free = deque(range(cluster.workers))
    running: dict[int, int] = {}
    life = [0] * nodes
    done = bytearray(shards)
    handed = oldest = deaths = again = 0
    now = 0.0
    for node in range(nodes):
        _die_later(events, cluster, node, now, chance)
    while oldest < shards:
        while handed < shards and handed - oldest < cluster.ahead * cluster.workers:
            queue.append(handed)
            handed += 1
        while queue and free:
            worker = free.popleft()
            running[worker] = queue.popleft()
            seconds = mean * chance.lognormvariate(-variance / 2, math.sqrt(variance))
            heapq.heappush(events, (now + seconds, _DONE, worker, life[worker // cluster.per_node]))
        now, kind, who, of_life = heapq.heappop(events)
        if kind == _DONE and of_life == life[who // cluster.per_node]:
            done[running.pop(who)] = 1
            free.append(who)
        elif kind == _DEAD:
            deaths, life[who] = deaths + 1, life[who] + 1
            own = range(who * cluster.per_node, (who + 1) * cluster.per_node)
            lost = [running.pop(worker) for worker in own if worker in running]
            queue.extendleft(lost)
            again += len(lost)
            free = deque(worker for worker in free if worker not in own)
            heapq.heappush(events, (now + cluster.away, _BACK, who, life[who]))
        elif kind == _BACK:
            free.extend(range(who * cluster.per_node, (who + 1) * cluster.per_node))
            _die_later(events, cluster, who, now, chance)
        while oldest < shards and done[oldest]:
            oldest += 1
    return now, deaths, again


_DONE, _DEAD, _BACK = range(3)


def _die_later(
    events: list[tuple[float, int, int, int]], cluster: Cluster, node: int, now: float, chance: random.Random
) -> None:
    if not math.isinf(cluster.days_between_deaths):
        when = now + chance.expovariate(1 / (cluster.days_between_deaths * 24 * HOUR))
        heapq.heappush(events, (when, _DEAD, node, 0))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _big(number: float) -> str:
    return f"{number / 1e9:,.1f} billion" if number >= 1e9 else f"{number / 1e6:,.1f} million"


def _hours(seconds: float) -> str:
    hours = seconds / HOUR
    return f"{hours:,.0f} h" if hours >= 100 else f"{hours:.1f} h"


def _bytes(number: float) -> str:
    return f"{number / 1e9:,.0f} GB" if number >= 1e10 else f"{number / 1e9:.1f} GB"


if __name__ == "__main__":
    main()
