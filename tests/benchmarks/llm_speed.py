"""The LLM client beside a bare aiohttp + uvloop loop, on a simulated vLLM server.

    python tests/benchmarks/llm_speed.py [makespan] [endpoints] [stages] [cpu] [startup] [--repeats 3]

The server is `bench/sim_vllm.py` under SYNTH_SHARED (default ../shared), which is no part of synth.
Both clients send the same requests about the same passages; the bare loop is told how many
slots the server has (a quarter more than that in flight), ours finds out. Medians over the
repeats, bare and ours in turn, each in a process of its own, on another core than the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED = Path(os.environ.get("SYNTH_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))
SIMULATOR = SHARED / "bench" / "sim_vllm.py"
CORPUS = SHARED / "corpora" / "fin_10k_pages"
ITEMS = 4_000
LONG = 20_000
SLOTS = tuple(int(s) for s in os.environ.get("SLOTS", "32,256,1024").split(","))


@contextmanager
def simulator(*flags: str) -> Iterator[str]:
    """A server of its own for one measurement; yields its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = subprocess.Popen([sys.executable, str(SIMULATOR), "--port", str(port), *flags])
    os.sched_setaffinity(server.pid, {0})
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"{url}/v1"
    finally:
        server.kill()
        server.wait()


def stats(url: str) -> dict[str, float]:
    """What the server saw."""
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/stats", timeout=5) as response:
        found: dict[str, float] = json.load(response)
    return found


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def bare(url: str, bodies: Path, count: int, in_flight: int) -> None:
    """What anyone would write: a few dozen lines of aiohttp."""
    import aiohttp
    import orjson
    import uvloop

    lines = bodies.read_bytes().splitlines()
    requests = iter([lines[number % len(lines)] for number in range(count)])

    async def work() -> int:
        done = 0
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def worker() -> None:
                nonlocal done
                for line in requests:
                    body = orjson.loads(line)
                    headers = {"Content-Type": "application/json"}
                    async with session.post(f"{url}/chat/completions", data=orjson.dumps(body), headers=headers) as got:
                        reply = orjson.loads(await got.read())
                    orjson.loads(reply["choices"][0]["message"]["content"])
                    done += 1

            await asyncio.gather(*(worker() for _ in range(in_flight)))
        return done

    began = cpu()
    done = uvloop.run(work())
    print(json.dumps({"cpu": cpu() - began, "done": done, **stats(url)}))


GATES = {
    "ours": "",
    "staged": "gates: [{name: judge}]\n",
}
"""What is measured -> the gates of its recipe; those of the finance domain where nothing is said."""


def ours(url: str, count: int, gates: str) -> None:
    """Plan, generate, journal, validate, gate and write Parquet; no teacher."""
    from synth.llm.settings import reach
    from synth.progress import Silent
    from synth.recipe import resolve
    from synth.run import close_workshop, create_run, prepare
    from synth.shard import Shard, make_shards
    from synth.store import Store

    with tempfile.TemporaryDirectory() as folder:
        settings = reach(url.split("+"))
        choices = choices_for(Path(folder), gates, models=tuple(settings.models))
        run = create_run(resolve(choices), Store(Path(folder) / "store"), llm=settings)
        workshop = prepare(run, Silent())
        shards = [Shard(start, min(start + 1_000, count)) for start in range(0, count, 1_000)]
        began, started = cpu(), time.monotonic()
        make_shards(workshop, shards, Silent(), score=False)
        used, seconds = cpu() - began, time.monotonic() - started
        close_workshop(run)
        print(json.dumps({"cpu": used, "seconds": seconds, "done": count, **stats(url.split("+")[0].split(",")[0])}))


def choices_for(folder: Path, gates: str = "", **more: object) -> object:
    """Long passages: the simulator answers with words of the end of a prompt, and an answer that
    repeats the instructions would be asked again."""
    from synth.documents import read_documents
    from synth.recipe import Choices

    pages = (source for source in read_documents([CORPUS]) if hasattr(source, "text"))
    texts = [" ".join(words[:600]) for page in pages if len(words := page.text.split()) >= 500]
    documents, config = folder / "pages.jsonl", folder / "config.yaml"
    documents.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))
    config.write_text("plan: {items_per_passage: 4}\nchunk: {max_chars: 6000, min_chars: 2000}\n" + gates)
    return Choices("finance", documents=(documents,), config=config, **more)  # type: ignore[arg-type]


def write_bodies(path: Path) -> None:
    """The requests that ours sends, for the bare loop."""
    from synth.generators.llm import steps_of_call
    from synth.llm.requests import Body
    from synth.progress import Silent
    from synth.prompts import load_prompt
    from synth.recipe import resolve
    from synth.run import create_run, prepare
    from synth.shard import Shard, plan_calls
    from synth.store import Store

    with tempfile.TemporaryDirectory() as folder:
        choices = choices_for(Path(folder))
        run = create_run(resolve(choices), Store(Path(folder) / "store"))
        workshop = prepare(run, Silent())
        lines = []
        for call in plan_calls(workshop, [Shard(0, ITEMS)]):
            step = steps_of_call(call)[0]
            messages = load_prompt(step.prompt).render(step.inputs(call.input, {}))
            lines.append(Body("sim", step.output.model_json_schema(), workshop.recipe.sampling).of(messages))
        path.write_bytes(b"\n".join(lines))


def run_child(*arguments: object) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--child", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{arguments} failed:\n{done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def makespan(bodies: Path, repeats: int) -> None:
    print("| slots | bare, s | ours, s | ratio | ours: requests, most in flight |\n|---|---|---|---|---|")
    for slots in SLOTS:
        count = ITEMS if slots > 32 else ITEMS // 4
        theirs, mine = [], []
        for _ in range(repeats):
            with simulator("--max-num-seqs", str(slots)) as url:
                theirs.append(run_child("bare", url, bodies, count, slots * 5 // 4))
            with simulator("--max-num-seqs", str(slots)) as url:
                mine.append(run_child("ours", url, count))
        one = statistics.median(row["makespan"] / row["arrivals"] for row in theirs)
        other = statistics.median(row["makespan"] / row["arrivals"] for row in mine)
        last = mine[-1]
        print(
            f"| {slots:,} | {one * count:.2f} | {other * count:.2f} | {other / one:.3f} | {last['arrivals']:,}, {last['max_inflight']:,} |"
        )


def two_endpoints(bodies: Path, repeats: int) -> None:
    """64 and 256 slots together, beside one server of 320 for the bare loop."""
    theirs, mine = [], []
    for _ in range(repeats):
        with simulator("--max-num-seqs", "320") as url:
            theirs.append(run_child("bare", url, bodies, ITEMS, 400)["makespan"])
        with simulator("--max-num-seqs", "64") as small, simulator("--max-num-seqs", "256") as large:
            run_child("ours", f"{small}+{large}", ITEMS)
            seen = [stats(url) for url in (small, large)]
            mine.append(max(row["makespan"] for row in seen))
    one, other = statistics.median(theirs), statistics.median(mine)
    print(
        f"two endpoints, 64 and 256 slots: bare on one of 320 {one:.2f} s, ours {other:.2f} s, ratio {other / one:.3f}"
    )


def stages(repeats: int) -> None:
    """A query stage and a judge stage of the same length, apart and together."""
    rows = []
    for _ in range(repeats):
        row = {}
        with simulator() as url:
            row["query"] = run_child("ours", url, ITEMS)["seconds"]
        with simulator("--model", "judge") as url:
            row["judge"] = run_child("ours", url, ITEMS)["seconds"]
        with simulator() as query, simulator("--model", "judge") as judge:
            staged = run_child("staged", f"{query}+{judge},task=judge", ITEMS)
            row["own servers"] = staged["seconds"]
        with simulator() as url:
            row["one server"] = run_child("staged", url, ITEMS)["seconds"]
        rows.append(row)
    middle = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    slower, total = max(middle["query"], middle["judge"]), middle["query"] + middle["judge"]
    print(f"query alone {middle['query']:.1f} s, judge alone {middle['judge']:.1f} s")
    print(
        f"each on its own server: {middle['own servers']:.1f} s, {middle['own servers'] / slower:.3f} x the slower alone"
    )
    print(f"both on one server: {middle['one server']:.1f} s, {middle['one server'] / total:.3f} x the sum")


def slope(bodies: Path, repeats: int) -> None:
    found: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(repeats):
        for name in found:
            used = []
            for count in (ITEMS, LONG):
                with simulator("--max-num-seqs", "256", "--itl-full", "0.003") as url:
                    extra = (bodies, count, 320) if name == "bare" else (count,)
                    used.append(run_child(name, url, *extra))
            sent = used[1]["arrivals"] - used[0]["arrivals"]
            found[name].append((used[1]["cpu"] - used[0]["cpu"]) / sent * 1_000)
        print({name: [round(value, 3) for value in values] for name, values in found.items()}, file=sys.stderr)
    one, other = (statistics.median(values) for values in found.values())
    print(
        f"client CPU per 1,000 requests, slope {ITEMS:,} to {LONG:,}: bare {one:.3f} s, ours {other:.3f} s, ratio {other / one:.2f}"
    )


def startup(bodies: Path, repeats: int) -> None:
    """From the command to the first request that arrives; warm: the third run and later of the same documents."""
    bare_loop = [sys.executable, __file__, "--child", "bare"]
    synth = [str(Path(sys.executable).with_name("synth")), "generate", "--domain", "finance"]
    theirs, mine = [], []
    with tempfile.TemporaryDirectory() as store:
        for number in range(repeats + 2):
            with simulator() as url:
                theirs.append(_until_asked(url, [*bare_loop, url, str(bodies), "400", "64"]))
            with simulator() as url:
                mine.append(_until_asked(url, [*synth, "--llm", url, "--store", store, "--seed", str(number)]))
    one, other = statistics.median(theirs[2:]), statistics.median(mine[2:])
    print(
        f"start to the first request: bare {one:.2f} s, ours {other:.2f} s, {other - one:+.2f} s; cold {mine[0]:.2f} s"
    )


def _until_asked(url: str, command: list[str]) -> float:
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not stats(url)["arrivals"]:
        time.sleep(0.005)
    seconds = time.monotonic() - began
    process.kill()
    process.wait()
    return seconds


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)) or {0})
        name, url, *rest = sys.argv[2:]
        if name == "bare":
            bare(url, Path(rest[0]), int(rest[1]), int(rest[2]))
        else:
            ours(url, int(rest[0]), GATES[name])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["makespan", "endpoints", "stages", "cpu", "startup"])
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    if not SIMULATOR.exists():
        sys.exit(f"{SIMULATOR} is not there: set SYNTH_SHARED to the folder that holds bench/sim_vllm.py")
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies.jsonl"
        write_bodies(bodies)
        if "makespan" in chosen.what:
            makespan(bodies, chosen.repeats)
        if "endpoints" in chosen.what:
            two_endpoints(bodies, chosen.repeats)
        if "stages" in chosen.what:
            stages(chosen.repeats)
        if "cpu" in chosen.what:
            slope(bodies, chosen.repeats)
        if "startup" in chosen.what:
            startup(bodies, chosen.repeats)


if __name__ == "__main__":
    main()
