"""What people see of us in the UI of a real Prefect server, in a real browser.

A page is one line of PAGES; each leaves a picture in the test's folder
(`pytest -m slow tests/flows/test_ui.py --basetemp pictures`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from prefect_api import ask, wait_for

from flows.parameters import GenerateParameters

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]

SERVE = """
import sys
from synth.cli.serve import serve
serve("finance", limit=60, cron="0 3 * * *", store=sys.argv[1], deployment_name="nightly")
"""
STAGES = [
    "read documents",
    "index passages (393)",
    "make items (1000)",
    "judge the whole set",
    "mine and publish (1000)",
]
SHARDS = ["shard 0-250", "shard 250-500", "shard 500-750", "shard 750-1000"]

PAGES: list[tuple[str, list[str]]] = [
    ("deployments", ["synth-generate", "nightly", "Ready", "At 03:00 AM"]),
    (
        "deployments/deployment/{deployment}",
        ["nightly", "At 03:00 AM", "generate finance", "Completed", "auto-scheduled"],
    ),
    ("deployments/deployment/{deployment}?tab=Description", ["Turn documents into training data"]),
    ("runs/flow-run/{run}?tab=Logs", ["generate finance", "Completed", "4 Task runs", *STAGES]),
    ("runs/flow-run/{run}?tab=TaskRuns", SHARDS),
    ("runs/flow-run/{run}?tab=Artifacts", ["synth-funnel-finance", "synth-version-finance", "finance@1"]),
    ("runs/flow-run/{run}?tab=Parameters", ['"shard_size": 250', '"limit": 60']),
    ("artifacts", ["synth-funnel-finance", "synth-version-finance"]),
    (
        "artifacts/artifact/{synth-funnel-finance}",
        ["planned 1000", "accepted 60", "rejected near_duplicate", "surplus"],
    ),
    (
        "artifacts/artifact/{synth-version-finance}",
        ["finance@1", "records 60", "hard negatives", "query:", "negative:"],
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, which finds nothing but this machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        message = "THE TESTS OF THE PREFECT UI DID NOT RUN: no chromium (tests/install_chromium.sh installs Debian's)"
        if os.environ.get("SYNTH_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def ids(server: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`synth serve` at work, one run of four shards done: ids of the deployment, the run and each artifact."""
    command = [sys.executable, "-c", SERVE, str(tmp_path_factory.mktemp("ui") / "store")]
    serving = subprocess.Popen(command, env={**server, "PREFECT_RUNNER_POLL_FREQUENCY": "1"})
    try:
        [deployment] = wait_for("registering", lambda: ask(server, "deployments/filter", {}))
        [parameters] = deployment["parameters"].values()
        body = {"state": {"type": "SCHEDULED"}, "parameters": {"parameters": {**parameters, "shard_size": 250}}}
        run = ask(server, f"deployments/{deployment['id']}/create_flow_run", body)["id"]
        wait_for("the run", lambda: state_of(server, run) == "COMPLETED")
        artifacts = {artifact["key"]: artifact["id"] for artifact in ask(server, "artifacts/filter", {})}
        yield {"deployment": deployment["id"], "run": run, **artifacts}
    finally:
        serving.terminate()
        serving.wait(30)


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(20_000)
    yield page
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    page.close()


def state_of(server: dict[str, str], run: str) -> str:
    return str(httpx.get(f"{server['PREFECT_API_URL']}/flow_runs/{run}").json()["state_type"])


def visit(page: Page, server: dict[str, str], path: str) -> Locator:
    """The content of a page of the UI that Prefect shows unless asked for its older one."""
    page.goto(f"{server['PREFECT_API_URL'].removesuffix('/api')}/v2/{path}")
    return page.locator("body")


def shows(content: Locator, text: str) -> None:
    """Whatever spaces and line breaks are between the words."""
    words = re.compile(r"\s+".join(map(re.escape, text.split())))
    expect(content).to_contain_text(words, use_inner_text=True, timeout=20_000)


@pytest.mark.parametrize(("path", "texts"), PAGES, ids=[path for path, _ in PAGES])
def test_a_page_shows(path: str, texts: list[str], page: Page, server: dict[str, str], ids: dict[str, str]) -> None:
    content = visit(page, server, path.format_map(ids))
    for text in texts:
        shows(content, text)


def test_no_text_of_the_version_is_cut_off_at_the_side(page: Page, server: dict[str, str], ids: dict[str, str]) -> None:
    shows(visit(page, server, f"artifacts/artifact/{ids['synth-version-finance']}"), "Examples")
    cut = "blocks => blocks.filter(block => block.scrollWidth > block.clientWidth).map(block => block.innerText)"
    assert page.locator("pre").evaluate_all(cut) == []


def test_the_link_that_serve_prints_opens_the_deployment(
    page: Page, server: dict[str, str], ids: dict[str, str]
) -> None:
    page.goto(f"{server['PREFECT_API_URL'].removesuffix('/api')}/deployments/deployment/{ids['deployment']}")
    shows(page.locator("body"), "nightly")
    shows(page.locator("body"), "At 03:00 AM")


def open_form(page: Page, server: dict[str, str], ids: dict[str, str]) -> Locator:
    form = visit(page, server, f"deployments/deployment/{ids['deployment']}/run")
    shows(form, "Submit")
    return form


def number_field(page: Page, title: str) -> Locator:
    """The innermost box that holds both the title and an input."""
    number = page.locator("input[type=number]")
    box = page.locator("div").filter(has=page.get_by_text(title, exact=True)).filter(has=number).last
    return box.locator("input[type=number]")


def runs_with(server: dict[str, str], limit: int) -> list[dict[str, Any]]:
    return [run for run in ask(server, "flow_runs/filter", {}) if run["parameters"]["parameters"]["limit"] == limit]


def test_the_form_explains_every_field(page: Page, server: dict[str, str], ids: dict[str, str]) -> None:
    form = open_form(page, server, ids)
    for field in GenerateParameters.model_json_schema()["properties"].values():
        shows(form, field["title"])
        shows(form, field["description"])


def test_the_form_refuses_a_number_out_of_range_and_starts_nothing(
    page: Page, server: dict[str, str], ids: dict[str, str]
) -> None:
    open_form(page, server, ids)
    limit = number_field(page, "Limit (Optional)")
    limit.fill("0")
    page.get_by_role("button", name="Submit").click()
    assert "greater than or equal to 1" in limit.evaluate("field => field.validationMessage")
    assert page.url.endswith("/run")
    assert runs_with(server, 0) == []


def test_a_run_is_started_from_the_form_as_it_was_filled_in(
    page: Page, server: dict[str, str], ids: dict[str, str]
) -> None:
    open_form(page, server, ids)
    number_field(page, "Limit (Optional)").fill("40")
    page.get_by_role("button", name="Submit").click()
    [run] = wait_for("the run of the form", lambda: runs_with(server, 40), 20)
    wait_for("its end", lambda: state_of(server, run["id"]) == "COMPLETED")
