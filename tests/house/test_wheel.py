"""The wheel in an empty environment outside the checkout, and a plug-in beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLUGIN = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "acme-synth"
version = "1.0"
[project.entry-points."synth.gates"]
no-shouting = "acme_synth:NoShouting"
[project.entry-points."synth.domains"]
acme = "acme_synth:DOMAIN"
""",
    "acme_synth/__init__.py": """
from pathlib import Path
from schemas.base import Strict
from schemas.record import Verdict

DOMAIN = Path(__file__).parent / "acme.yaml"


class NoShouting:
    name = "no-shouting"

    class Settings(Strict):
        max_share: float = 0.3

    def __init__(self, settings):
        self.settings = settings

    def judge(self, record):
        share = sum(c.isupper() for c in record.query) / len(record.query)
        keep = share <= self.settings.max_share
        return Verdict(gate=self.name, keep=keep, reason="" if keep else "shouting", score=share)
""",
    "acme_synth/acme.yaml": """
name: acme
title: Acme
description: Manuals of Acme machines.
corpus: manuals
personas: personas.jsonl
limit: 4
chunk: {max_chars: 300, min_chars: 40}
gates: [{name: no-shouting, settings: {max_share: 0.2}}]
""",
    "acme_synth/personas.jsonl": '{"id": "fitter", "text": "A fitter who looks up torque values on a noisy floor."}\n',
    "acme_synth/manuals/press.txt": (
        "Tighten the four flange bolts of the press to forty newton metres, crosswise, in two passes. "
        "ALWAYS ISOLATE THE HYDRAULIC SUPPLY AND BLEED THE ACCUMULATOR BEFORE OPENING THE GUARD OF THE PRESS TABLE. "
        "Grease the slide every two hundred hours with lithium soap grease and wipe off what oozes out. "
        "A knocking noise on the return stroke points to air in the line; bleed it at the upper port."
    ),
    "acme_synth/manuals/saw.txt": (
        "Change the saw blade when the cut wanders by more than one millimetre over the height of the profile. "
        "The tensioner shows its range in green; a new blade is tensioned twice, once cold and once after ten minutes. "
        "Coolant is mixed at six per cent and measured weekly with the refractometer that hangs beside the tank. "
        "NEVER REACH INTO THE CHIP CONVEYOR OF THE SAW WHILE THE MAIN SWITCH IS ON OR THE BLADE STILL COASTS."
    ),
}


class Outside:
    """An environment that holds our wheel, and borrows only its dependencies from this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        self.python = folder / "venv" / "bin" / "python"
        self.site = Path(self.run_python("import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (self.site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, *what: Path | str) -> None:
        pip = [sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--no-deps"]
        subprocess.run(
            [*pip, "--no-build-isolation", "--disable-pip-version-check", *what], check=True, cwd=self.folder
        )

    def run_python(self, code: str) -> str:
        done = subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True, cwd=self.folder)
        return done.stdout

    def synth(self, *arguments: str) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "SYNTH", "COV"))}
        command = [self.folder / "venv" / "bin" / "synth", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--disable-pip-version-check", "-w", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Outside:
    environment = Outside(tmp_path_factory.mktemp("outside"))
    environment.install(wheel)
    return environment


def test_the_wheel_holds_the_packages_and_what_ships_but_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if not name.startswith("synth-")} == {"synth", "schemas", "flows"}
    assert "synth/_shipped/data/domains/finance.yaml" in names
    assert "synth/_shipped/prompts/query-from-passage.j2" in names
    assert "synth/_shipped/data/scaffold/comments.yaml" in names


@pytest.mark.slow
def test_an_installed_synth_finds_its_domain_corpus_and_prompts(outside: Outside) -> None:
    shipped = outside.run_python("from synth.resources import find_shipped; print(find_shipped('data'))")
    assert Path(shipped.strip()).is_relative_to(outside.folder)
    made = json.loads(outside.synth("generate", "--domain", "finance", "--limit", "50", "--json"))
    assert made["accepted"] == 50


@pytest.mark.slow
def test_a_plug_in_adds_a_gate_and_a_domain_with_no_edit_here(outside: Outside) -> None:
    package = outside.folder / "acme-synth"
    for name, content in PLUGIN.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(content.lstrip("\n"))
    outside.install(package)
    known = {domain["name"] for domain in json.loads(outside.synth("domains", "--json"))}
    assert {"acme", "finance"} <= known
    made = json.loads(outside.synth("generate", "--domain", "acme", "--json"))
    assert made["accepted"] == 4
    assert made["rejected"]["shouting"] > 0
