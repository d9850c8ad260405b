"""GPUs of this machine, and which of the installed packages can use them."""

from __future__ import annotations

import shutil
import subprocess

from synth.doctor.finding import Finding, ok, warning
from synth.doctor.packages import how_to_install, installed_version
from synth.llm.install import has_gpu
from synth.search.backends import FaissDevices, has_faiss, has_gpu_faiss
from synth.teachers.local import count_cuda

_SECONDS = 20


def check_gpu() -> Finding:
    """What the driver says; a machine without a GPU is as good as any."""
    if not has_gpu():
        return ok("gpu", "none, and none is needed: searches and teachers run on the CPU, servers where they are")
    command = shutil.which("nvidia-smi")
    if command is None:
        return warning("gpu", "there is an NVIDIA driver and no nvidia-smi", "put the folder of nvidia-smi on the PATH")
    fields = "name,memory.total,memory.used,driver_version"
    try:
        done = subprocess.run(
            [command, f"--query-gpu={fields}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return warning(
            "gpu", f"nvidia-smi can't be run ({type(error).__name__})", "type nvidia-smi to see what it says"
        )
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[:200]
        return warning(
            "gpu",
            f"nvidia-smi fails: {said}",
            "restart the machine if its driver was updated, or install the driver again",
        )
    rows = [", ".join(part.strip() for part in line.split(",")) for line in done.stdout.splitlines() if line.strip()]
    if not rows:
        return ok("gpu", "the driver is there and sees no GPU; none is needed")
    name, total, used, driver = (rows[0].split(", ") + [""] * 4)[:4]
    return ok("gpu", f"{len(rows)} x {name}, {total} each, of which {used} in use on the first, driver {driver}")


def check_search() -> Finding:
    """Where vectors are searched."""
    if not has_faiss():
        return ok("search", f"numpy, since FAISS is not installed; faster with it: {how_to_install('cpu')}")
    if not has_gpu():
        return ok("search", "FAISS, on the CPU")
    count = FaissDevices().count()
    if count:
        return ok("search", f"FAISS, on {count} GPU{'s' if count > 1 else ''}")
    if has_gpu_faiss():
        return warning("search", "FAISS was built for GPUs and finds none", "see what nvidia-smi says of the driver")
    fix = f"{how_to_install('gpu')}, after pip uninstall faiss-cpu; leave it where corpora are small"
    return warning("search", "FAISS, on the CPU, though this machine has a GPU", fix)


def check_torch() -> Finding:
    """Where a teacher that is loaded here runs; torch is imported only where a GPU is."""
    found = installed_version("torch")
    if not found:
        return ok("torch", f"not installed; needed to load a teacher here: {how_to_install('teacher')}")
    if not has_gpu():
        return ok("torch", f"{found}, on the CPU")
    if count := count_cuda():
        return ok("torch", f"{found}, on {count} GPU{'s' if count > 1 else ''}")
    fix = "install the build of torch that fits the driver (pytorch.org/get-started)"
    return warning("torch", f"{found} sees no GPU, though this machine has one", fix)
