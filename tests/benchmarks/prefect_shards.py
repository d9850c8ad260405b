"""What Prefect costs a shard, and whether the memory of server and worker stays flat over hundreds of them.

    python tests/benchmarks/prefect_shards.py [SHARDS]

The sample corpus of finance, cut into so many shards that each takes almost no time, is made in process and then
as a flow against a real Prefect server; the difference by shard is what a task run costs. The bar is 5 % of a shard
of one minute. Resident memory of both processes is read every second and shown by quarters of the flow run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from prefect_server import PrefectServer, clean_environment

SHARDS = 200
ITEMS = 1_572  # 393 passages of the sample corpus, four each
MAKE = """
import sys, time
from pathlib import Path
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store
root, size, through = sys.argv[1:]
corpus = Path("data/corpora/finance").absolute()
run = create_run(resolve(Choices("finance", documents=(corpus,))), Store(Path(root)), shard_size=int(size))
if through == "flow":
    from flows.generate import run_with_prefect as make
else:
    make = execute
start = time.perf_counter()
version = make(run)
print(time.perf_counter() - start, len(list((run.folder / "items").iterdir())), version.manifest.content_sha256)
"""


def memory_of(pid: int) -> float:
    """Resident memory in MB of a process and all that it started."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    family, total = {pid}, 0.0
    for own, parent, rss in sorted(rows):
        if own in family or parent in family:
            family.add(own)
            total += rss / 1024
    return total


def make(
    store: Path, size: int, through: str, environment: dict[str, str], server: int
) -> tuple[list[str], list[tuple[float, float]]]:
    """What the process prints, and (worker, server) memory each second."""
    command = [sys.executable, "-c", MAKE, str(store), str(size), through]
    log = (store.parent / f"{through}.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    seen: list[tuple[float, float]] = []
    while process.poll() is None:
        seen.append((memory_of(process.pid), memory_of(server)))
        time.sleep(1.0)
    assert process.returncode == 0, Path(log.name).read_text()[-2_000:]
    assert process.stdout is not None
    return process.stdout.read().split(), seen


def main() -> None:
    """Print the table."""
    size = max(1, ITEMS // int(sys.argv[1] if len(sys.argv) > 1 else SHARDS))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        server = PrefectServer(home)
        server.start()
        assert server.process is not None
        try:
            (alone, _, wanted), _ = make(home / "engine", size, "engine", clean_environment(home), os.getpid())
            (flow, shards, found), seen = make(home / "flow", size, "flow", server.environment, server.process.pid)
        finally:
            server.stop()
    assert found == wanted, "the flow made something else"
    cost = (float(flow) - float(alone)) / int(shards)
    print(f"{shards} shards of {size} items: {float(alone):.1f} s in process, {float(flow):.1f} s as a flow")
    print(f"a task run costs {cost * 1000:.0f} ms: {cost / 60:.2%} of a shard of one minute (bar: 5 %)")
    for quarter in range(1, 5):
        worker, served = seen[len(seen) * quarter // 4 - 1]
        print(f"memory after {quarter}/4 of the time: worker {worker:.0f} MB, server {served:.0f} MB")


if __name__ == "__main__":
    main()
