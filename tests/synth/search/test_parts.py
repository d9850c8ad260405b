from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from random_vectors import Counting, Floats, assert_exact, unit_vectors

from synth.search import search_exactly
from synth.search.backends import Numpy
from synth.search.exact import Tally

SEARCH = """
import sys, time
from pathlib import Path
from random_vectors import Counting, unit_vectors
from synth.search import search_exactly
from synth.search.backends import Numpy

class Slow(Counting):
    def search(self, *how):
        found = super().search(*how)
        print(self.tiles, flush=True)
        time.sleep(0.15)
        return found

search_exactly(unit_vectors(1, 20), unit_vectors(2, 900), 10, backend=Slow(Numpy()), folder=Path(sys.argv[1]), tile=100)
"""


def find(folder: Path, queries: Floats, passages: Floats, depth: int = 10) -> int:
    """How many tiles were searched for an exact answer."""
    backend = Counting(Numpy())
    assert_exact(queries, passages, depth, backend=backend, folder=folder, tile=100)
    return backend.tiles


def test_a_killed_search_goes_on_with_the_tiles_that_are_missing(tmp_path: Path) -> None:
    queries, passages = unit_vectors(1, 20), unit_vectors(2, 900)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", SEARCH, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "4":
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = len(list(tmp_path.glob("tile-*.npz")))
    assert done in (3, 4)
    assert find(tmp_path, queries, passages) == 9 - done
    assert find(tmp_path, queries, passages) == 0


def test_what_was_kept_is_counted(tmp_path: Path) -> None:
    tally = Tally()
    for _ in range(2):
        search_exactly(unit_vectors(1, 4), unit_vectors(2, 300), 5, folder=tmp_path, tile=100, tally=tally)
    assert (tally.tiles, tally.reused) == (3, 3)


def test_a_file_of_another_search_is_never_used(tmp_path: Path) -> None:
    queries, passages = unit_vectors(1, 20), unit_vectors(2, 900)
    assert find(tmp_path, queries, passages) == 9
    assert find(tmp_path, unit_vectors(3, 20), passages) == 9
    assert find(tmp_path, queries, passages, depth=11) == 9
    assert find(tmp_path, queries[:19], passages) == 9
    passages[450] = -passages[450]
    assert find(tmp_path, queries, passages) == 1
    assert find(tmp_path, queries, passages[100:]) == 8
    assert find(tmp_path, queries, np.concatenate([passages, unit_vectors(4, 30)])) == 1


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    queries, passages = unit_vectors(1, 20), unit_vectors(2, 900)
    find(tmp_path, queries, passages)
    files = sorted(tmp_path.glob("tile-*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:-40])
    files[1].write_bytes(b"")
    files[2].write_bytes(b"not an archive")
    assert find(tmp_path, queries, passages) == 3


def test_queries_that_ties_leave_unsure_are_resumed_too(tmp_path: Path) -> None:
    passages = unit_vectors(8, 900)
    passages[100:140] = passages[0]
    assert find(tmp_path, passages[:20], passages, depth=5) == 18
    assert find(tmp_path, passages[:20], passages, depth=5) == 0


def test_results_are_the_same_for_float16_and_float32_files(tmp_path: Path) -> None:
    queries, stored = unit_vectors(1, 20), unit_vectors(2, 900).astype(np.float16)
    assert find(tmp_path, queries, stored) == 9
    assert find(tmp_path, queries, stored.astype(np.float32)) == 0
