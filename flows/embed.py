"""Passages embedded as tasks: each fills the store's vectors by content, and hands over nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from flows.runners import ahead, check_seen
from flows.secrets import use_key_of_flow
from flows.shards import is_worth_retrying
from synth.corpus import Corpus
from synth.lease import Lease
from synth.progress import Reporter
from synth.run import Run, read_corpus
from synth.store import Store
from synth.teachers import build_teacher, close_teacher
from synth.teachers.dense import Dense
from synth.teachers.scoring import index_folder

PASSAGES = 32_768
"""That a task embeds at most: 134 MB of 1,024 dimensions."""
FEWEST = 1_024
_TASKS = 64
"""A corpus is cut into so many parts where they are not too small."""


@task(
    name="embed-passages",
    task_run_name="embed {teacher} {start}-{stop}",
    retries=2,
    retry_delay_seconds=[5, 30],
    retry_condition_fn=is_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def embed_passages_task(store_root: str, run_id: str, teacher: int, start: int, stop: int) -> int:
    """Embed passages start … stop - 1 with a teacher of the run, by its number; returns how many."""
    run = Run(Store(Path(store_root)), run_id)
    check_seen(run)
    use_key_of_flow()
    chosen = dict(embedders(run))[teacher]
    try:
        chosen.keep_vectors(Corpus(run.folder / "corpus"), start, stop)
    finally:
        close_teacher(chosen)
    return stop - start


def embed_as_tasks(run: Run, reporter: Reporter) -> None:
    """Embed the passages of a run as tasks of the current flow run; what the store has is not embedded again."""
    if run.result is not None:
        return
    with Lease(run.folder):
        read_corpus(run, reporter)
        count = len(Corpus(run.folder / "corpus"))
        size = min(PASSAGES, max(FEWEST, -(-count // _TASKS)))
        for number, teacher in embedders(run):
            if teacher.has_vectors:
                continue
            reporter.stage("embed passages", count)
            waiting: deque[PrefectFuture[int]] = deque()
            for start in range(0, count, size):
                if len(waiting) >= ahead(_TASKS):
                    reporter.advance(waiting.popleft().result())
                stop = min(start + size, count)
                waiting.append(embed_passages_task.submit(str(run.store.root), run.id, number, start, stop))
            while waiting:
                reporter.advance(waiting.popleft().result())


def embedders(run: Run) -> Iterator[tuple[int, Dense]]:
    """The teachers of a run that have vectors, by their number; nothing is loaded yet."""
    scoring, folder = run.scoring, run.folder / "teacher"
    for number, (name, reached) in enumerate(zip(scoring.teachers, scoring.reached, strict=True)):
        own = folder if len(scoring.reached) == 1 else index_folder(folder, name)
        teacher = build_teacher(name, own, run.store.embeddings, reached)
        if isinstance(teacher, Dense):
            yield number, teacher
