"""Exports of a large version: rate beside bare pyarrow, and peak memory.

    python tests/benchmarks/exports.py [--records 10000000] [--formats triplet pair-score …] [--folder FOLDER]

The version is that of `synth generate --domain finance --limit 60` with records of random words in its place: as many as
asked for, of 200,000 kinds, each with one hard negative. Each export runs in a process of its own; `bare` reads what was
exported, row group by row group, and writes it again with pyarrow and the same settings.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

KINDS, WORDS = 200_000, 30_000


def sentences(random: np.random.Generator, number: int, words: int) -> list[str]:
    lexicon = np.array(
        ["".join(chr(97 + letter) for letter in random.integers(0, 26, size)) for size in random.integers(3, 10, WORDS)]
    )
    drawn = (random.zipf(1.3, (number, words)) - 1) % WORDS
    return [" ".join(row) for row in lexicon[drawn]]


def make_version(folder: Path, records: int) -> Path:
    """The folder of a version with so many records."""
    from synth.recipe import Choices, resolve
    from synth.run import create_run, execute
    from synth.store import Store

    small = execute(create_run(resolve(Choices(domain="finance", limit=60)), Store(folder / "store")))
    file, random = small.path / "records" / "train.parquet", np.random.default_rng(0)
    (like,) = pq.read_table(file).slice(0, 1).to_pylist()
    schema = pq.read_schema(file)
    queries, texts = sentences(random, KINDS, 10), sentences(random, KINDS, 40)
    scores = random.random((KINDS, 2)).round(4).tolist()

    def kind(n: int) -> dict[str, object]:
        passages = [
            {**each, "passage_id": f"d{(n + step) % KINDS}#0", "document_id": f"d{(n + step) % KINDS}", "text": texts[(n + step) % KINDS], "score": score}
            for step, (each, score) in enumerate(zip((like["positive"], like["negatives"][0]), scores[n], strict=True))
        ]  # fmt: skip
        given = {"query": queries[n], "positive": passages[0], "negatives": passages[1:], "in_batch_mask": []}
        return {
            **like,
            **given,
            "verdicts": [],
            "provenance": {**like["provenance"], "method": "llm", "licence": "MIT"},
        }

    with pq.ParquetWriter(file, schema, compression="zstd", write_page_index=True) as writer:
        parts = [
            pa.Table.from_pylist([kind(n) for n in range(at, at + 4096)], schema=schema)
            for at in range(0, KINDS - 4096, 4096)
        ]
        place, written = schema.get_field_index("id"), 0
        while written < records:
            table = parts[(written // 4096) % len(parts)]
            ids = pa.array([f"{n:016x}" for n in range(written, written + table.num_rows)])
            writer.write_table(table.set_column(place, schema.field(place), ids))
            written += table.num_rows
    manifest = orjson.loads((small.path / "manifest.json").read_bytes())
    manifest["negatives"] = {"mined": written}
    manifest["recipe"]["mining"]["negatives"] = 1
    (small.path / "manifest.json").write_bytes(orjson.dumps(manifest))
    return small.path


def export(version: Path, name: str, extras: tuple[str, ...], out: Path) -> None:
    from synth.export import ExportOptions, export_version
    from synth.store import VersionRef

    export_version(VersionRef("finance", 1, version), name, out, ExportOptions(extras=extras))


def bare(source: Path, out: Path) -> None:
    out.mkdir()
    for file in sorted(source.glob("*.parquet")):
        with pq.ParquetFile(file) as reader, pq.ParquetWriter(
            out / file.name, reader.schema_arrow, compression="zstd", write_page_index=True, use_content_defined_chunking=True
        ) as writer:  # fmt: skip
            for group in range(reader.num_row_groups):
                writer.write_table(reader.read_row_group(group))


def timed(*arguments: object) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(folder: Path, version: Path, name: str, extras: tuple[str, ...]) -> None:
    out = folder / f"out-{name}"
    ours = timed("--one", version, name, ",".join(extras) or "-", out)
    files = list((out / name).glob("*.parquet"))
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    size = sum(file.stat().st_size for file in files)
    told = {"format": name, "with": extras, "rows": rows, "bytes": size, "files": len(files), **ours}
    theirs = timed("--bare", out / name, folder / "bare")
    told |= {"bare_seconds": theirs["seconds"], "share_of_bare_rate": round(theirs["seconds"] / ours["seconds"], 2)}
    print(json.dumps(told), flush=True)
    shutil.rmtree(out)
    shutil.rmtree(folder / "bare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--formats", nargs="*", default=["triplet", "pair-score", "triplet:difficulty,spans,mask"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", nargs=4)
    parser.add_argument("--bare", nargs=2)
    chosen = parser.parse_args()
    started = time.perf_counter()
    if chosen.one:
        version, name, extras, out = chosen.one
        export(Path(version), name, () if extras == "-" else tuple(extras.split(",")), Path(out))
    elif chosen.bare:
        bare(*map(Path, chosen.bare))
    if chosen.one or chosen.bare:
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        print(json.dumps({"seconds": round(time.perf_counter() - started, 1), "peak_mb": int(peak) // 1024}))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as temporary:
        version_path = make_version(Path(temporary), chosen.records)
        print(f"{chosen.records:,} records made in {time.perf_counter() - started:.0f} s", flush=True)
        for each in chosen.formats:
            name, _, extras = each.partition(":")
            measure(Path(temporary), version_path, name, tuple(filter(None, extras.split(","))))


if __name__ == "__main__":
    main()
