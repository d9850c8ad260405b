"""Reads deploy/, and does what its files say where there is no container engine and no systemd.

Folders that the files name, such as /opt/synth, lie below a folder of the test.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
MOVED = re.compile(r"(?<![\w.}])/(src|build|wheels|opt/synth|store|home/synth|documents|var/lib|var/cache|etc/synth)\b")
ISOLATED = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
"""As `cap_drop: [ALL]`: root, too, is then refused what it has no right to write."""


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile: FROM, RUN, COPY …, and what follows."""

    word: str
    rest: str

    @property
    def settings(self) -> dict[str, str]:
        """NAME=VALUE pairs of ENV and ARG."""
        return dict(pair.split("=", 1) for pair in shlex.split(self.rest))


def read_stages(path: Path = DEPLOY / "Dockerfile") -> list[list[Instruction]]:
    """One list of instructions a stage, each begun by FROM; comments left out, continued lines joined."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    stages: list[list[Instruction]] = []
    for line in filter(None, map(str.strip, "\n".join(lines).replace("\\\n", " ").splitlines())):
        instruction = Instruction(*line.split(maxsplit=1))
        if instruction.word == "FROM":
            stages.append([])
        stages[-1].append(instruction)
    return stages


def read_compose(given: Mapping[str, str]) -> dict[str, Any]:
    """compose.yaml as compose sees it, with the variables of an .env file put in."""
    loaded: dict[str, Any] = _filled_in(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")), given)
    return loaded


def _filled_in(part: Any, given: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: _filled_in(value, given) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled_in(value, given) for value in part]
    if isinstance(part, str):
        return re.sub(r"(?<!\$)\$\{(\w+)(:[-?])([^}]*)\}", lambda found: _value(found, given), part).replace("$$", "$")
    return part


def _value(found: re.Match[str], given: Mapping[str, str]) -> str:
    name, operator, rest = found.groups()
    if given.get(name):
        return given[name]
    assert operator == ":-", f"{name} is not set: {rest}"
    return str(rest)


def read_unit(name: str) -> ConfigParser:
    """A systemd unit; of keys that stand several times, the values are joined by line breaks."""
    lines: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in filter(None, map(str.strip, (DEPLOY / name).read_text(encoding="utf-8").splitlines())):
        if line.startswith("["):
            section = line.strip("[]")
        elif not line.startswith("#"):
            key, value = line.split("=", 1)
            lines.setdefault(section, {}).setdefault(key, []).append(value)
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_dict(
        {section: {key: "\n".join(values) for key, values in keys.items()} for section, keys in lines.items()}
    )
    return unit


@dataclass
class Image:
    """The stages of the Dockerfile at work; what would be / is `root`."""

    root: Path
    folder: Path = Path("/")
    environment: dict[str, str] = field(default_factory=dict)

    def inside(self, text: str) -> str:
        return MOVED.sub(rf"{self.root}/\1", text)

    def build(self) -> None:
        """The first stage, and the settings of the last."""
        first, last = read_stages()
        self.environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        for instruction in first:
            self._do(instruction)
        self.environment = {"PATH": "/usr/bin:/bin"}
        for instruction in last:
            if instruction.word == "ENV":
                self._do(instruction)
        for folder in (
            "store",
            "home/synth",
            "documents",
            "var/lib/synth",
            "var/lib/prefect-server",
            "var/cache/synth",
        ):
            (self.root / folder).mkdir(parents=True)
        self._allow_writing("a-w")

    def remove(self) -> None:
        self._allow_writing("u+w")
        shutil.rmtree(self.root)

    def start(self, command: list[str], environment: Mapping[str, str | None], log: Path) -> subprocess.Popen[bytes]:
        """A process as in a container of the image: its settings, then `environment`, and no rights to spare."""
        settings = {name: self.inside(value) for name, value in environment.items() if value is not None}
        isolated = ISOLATED if os.getuid() == 0 and shutil.which(ISOLATED[0]) else []
        with log.open("w") as output:
            return subprocess.Popen(
                [*isolated, *map(self.inside, command)],
                cwd=self.root / "home/synth",
                env={**self.environment, "HOME": f"{self.root}/home/synth", **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _allow_writing(self, mode: str) -> None:
        subprocess.run(["chmod", "-R", mode, self.root / "opt"], check=True)

    def _do(self, instruction: Instruction) -> None:
        if instruction.word == "WORKDIR":
            self.folder = Path(self.inside(instruction.rest))
            self.folder.mkdir(parents=True)
        elif instruction.word in ("ENV", "ARG"):
            for name, value in instruction.settings.items():
                self.environment[name] = self.inside(value).replace("$PATH", self.environment["PATH"])
        elif instruction.word == "COPY":
            *sources, target = shlex.split(instruction.rest)
            for source in sources:
                self._copy(ROOT / source, self.folder / target)
        elif instruction.word == "RUN":
            self._run(self.inside(instruction.rest))

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    def _run(self, command: str) -> None:
        outside = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "HOME", "SSL_"))}
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=outside | self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}"
