"""Room on the disks that a run writes to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from synth.doctor.finding import Finding, broken, ok, warning

LITTLE = 5 << 30
"""Bytes under which a model or a large run may not fit."""
NOTHING = 256 << 20
"""Bytes under which not even the shipped example is safe."""


def nearest_folder(path: Path) -> Path:
    """The path itself, or the first thing above it that is there."""
    while not path.exists():
        path = path.parent
    return path


def places(store: Path | None) -> dict[str, Path]:
    """Where a run writes, in words: the store, the caches, and temporary files."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    hub = Path(os.environ.get("HF_HOME") or cache / "huggingface")
    return ({"the store": store} if store else {}) | {
        "models of the Hub": Path(os.environ.get("HF_HUB_CACHE") or hub / "hub"),
        "vLLM and remote stores": cache / "synth",
        "temporary files": Path(tempfile.gettempdir()),
    }


def check_disk(folders: Mapping[str, Path]) -> Finding:
    """The file system with the least room, of those that `folders` are in or will be."""
    room: dict[int, tuple[int, Path, list[str]]] = {}
    for what, folder in folders.items():
        there = nearest_folder(folder.absolute())
        usage = shutil.disk_usage(there)
        if usage.total:  # /proc and its like have no room at all
            room.setdefault(there.stat().st_dev, (usage.free, there, []))[2].append(what)
    if not room:
        return ok("disk", "none of the folders is on a disk")
    told = [f"{in_words(free)} free for {', '.join(whats)}" for free, _, whats in room.values()]
    least, where, whats = min(room.values(), key=lambda each: each[0])
    if least >= LITTLE:
        return ok("disk", "; ".join(told))
    what = f"{in_words(least)} free for {', '.join(whats)} ({where})"
    fix = f"make room: `du -xh --max-depth=2 {where} | sort -h` shows what is large, `synth gc` what a store can spare"
    return broken("disk", what, fix) if least < NOTHING else warning("disk", what, fix)


def in_words(count: float) -> str:
    """Bytes for people.

    >>> in_words(3_500_000_000)
    '3.5 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1_000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1_000
    return f"{count:.1f} TB"
