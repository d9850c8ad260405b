"""What deploy/ says is whole and pinned; test_stack.py runs it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
from containers import DEPLOY, ROOT, read_compose, read_stages, read_unit

from synth.llm.install import VERSION

ENV = {"POSTGRES_PASSWORD": "secret"}
UNITS = ["synth-serve.service", "prefect-server.service"]
PINNED = re.compile(r"[a-z0-9./-]+:v?(RELEASE\.)?\d+[\w.-]+")
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY\b|AUTH_STRING")


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Variables that example.env sets or proposes."""
    return set(re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))


def test_the_dockerfile_copies_only_what_is_here_and_not_kept_from_it() -> None:
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    first, last = read_stages()
    copied = [word for line in first if line.word == "COPY" for word in shlex.split(line.rest)[:-1]]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert set(copied) == allowed
    assert [line.rest for line in last if line.word == "COPY"] == ["--from=build /opt/synth /opt/synth"]


def test_every_package_of_the_image_is_pinned() -> None:
    first, last = read_stages()
    settings = [line.settings.get("PIP_CONSTRAINT") for line in first if line.word == "ENV"]
    assert settings == ["/src/constraints.txt"]
    assert [line.rest for line in last if "pip" in line.rest] == []
    assert len({stage[0].rest.split()[0] for stage in (first, last)}) == 1
    assert PINNED.fullmatch(first[0].rest.split()[0])


def test_the_image_runs_as_nobody_in_particular_and_holds_no_secret() -> None:
    first, last = read_stages()
    assert next(line.rest for line in last if line.word == "USER") == "10001:10001"
    assert [line.word for line in last][-3:] == ["HEALTHCHECK", "ENTRYPOINT", "CMD"]
    assert [line.rest for line in [*first, *last] if SECRET.search(line.rest)] == []


def test_compose_knows_every_word_of_the_compose_file() -> None:
    spec = find_spec("check_jsonschema")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "builtin_schemas" / "vendor"
    jsonschema.validate(read_compose(ENV), json.loads((folder / "compose-spec.json").read_text()))


def test_every_volume_and_service_that_is_named_exists() -> None:
    compose = read_compose(ENV)
    services, volumes = compose["services"], set(compose["volumes"])
    mounted = {mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])}
    assert {name for name in mounted if not name.startswith(".")} == volumes
    assert {name for service in services.values() for name in service.get("depends_on", {})} <= set(services)
    hosts = re.findall(r"http://(\w+):\d+", (DEPLOY / "example.env").read_text() + json.dumps(compose))
    assert set(hosts) - {"localhost"} <= set(services)


def test_every_image_is_pinned_and_vllm_is_the_one_that_synth_is_made_for() -> None:
    images = {name: service["image"] for name, service in read_compose(ENV)["services"].items()}
    assert [image for image in images.values() if not PINNED.fullmatch(image)] == []
    assert images["worker"] == images["server"] == f"synth:{version('synth')}"
    assert images["vllm"] == f"vllm/vllm-openai:v{VERSION}"


def test_what_must_be_filled_in_is_asked_for_and_everything_is_in_the_example(known: set[str]) -> None:
    with pytest.raises(AssertionError, match="POSTGRES_PASSWORD is not set: copy example.env"):
        read_compose({})
    text = (DEPLOY / "compose.yaml").read_text()
    passed_on = {
        name
        for service in read_compose(ENV)["services"].values()
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text)) | passed_on
    assert used == known


def test_no_secret_is_written_down(known: set[str]) -> None:
    example = (DEPLOY / "example.env").read_text()
    assert re.findall(r"^#?(?:HF_TOKEN|[A-Z_]*(?:PASSWORD|_KEY|_ID))=(.+)", example, re.MULTILINE) == []
    for service in read_compose({}.fromkeys(known, "") | {"POSTGRES_PASSWORD": "secret"})["services"].values():
        written = {n: v for n, v in service.get("environment", {}).items() if SECRET.search(n) and v}
        assert set(written.values()) <= {"secret"}


def test_only_the_ui_is_reached_from_outside_and_that_from_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in read_compose(ENV)["services"].items() if "ports" in service}
    assert ports == {"server": ["127.0.0.1:4200:4200"]}


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_stopped_by_sigterm_restarted_and_kept_in_its_folders(name: str) -> None:
    service = read_unit(name)["Service"]
    assert (service["KillSignal"], service["Restart"], service["User"]) == ("SIGTERM", "on-failure", "synth")
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["CapabilityBoundingSet"]) == (
        "strict",
        "yes",
        "",
    )
    folder = f"/var/lib/{service['StateDirectory']}"
    written = [
        path for path in re.findall(r"=(/\S+)", service["Environment"]) if not path.startswith("/var/cache/synth")
    ]
    assert [path for path in written if not path.startswith(folder)] == []
    assert not SECRET.search(service["Environment"])


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_unit(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / name
    unit.write_text(re.sub(r"ExecStart=/opt/synth/bin/\w+", "ExecStart=/bin/true", (DEPLOY / name).read_text()))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_file_of_the_folder_is_explained() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert [path.name for path in DEPLOY.iterdir() if path.name != ".env" and path.name not in page] == []
