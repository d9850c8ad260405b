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
from typing import get_args

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from prefect_server import PrefectServer, Row, wait_for

from flows.nightly import NightlyParameters
from flows.parameters import GenerateParameters
from flows.publish import PublishParameters
from flows.refine import RefineParameters
from schemas.recipe import Strategy

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

SERVE = "from synth.cli import main; main()"
SETTINGS = ["--domain", "finance", "--limit", "60", "--cron", "0 3 * * *", "--deployment-name", "nightly"]
FORMS = {
    "synth-generate": GenerateParameters,
    "synth-refine": RefineParameters,
    "synth-publish": PublishParameters,
    "synth-nightly": NightlyParameters,
}
STAGES = [
    "read documents",
    "index passages (393)",
    "make items (1000)",
    "judge the whole set",
    "mine and publish (1000)",
]
SHARDS = ["shard 0-250", "shard 250-500", "shard 500-750", "shard 750-1000"]
GENERATE = "runs/flow-run/{generate}"

PAGES: list[tuple[str, list[str]]] = [
    ("deployments", [*FORMS, "nightly", "Ready", "At 03:00 AM"]),
    ("deployments/deployment/{synth-generate}", ["At 03:00 AM", "generate finance", "Completed", "auto-scheduled"]),
    ("deployments/deployment/{synth-generate}?tab=Description", ["Turn documents into training data"]),
    ("deployments/deployment/{synth-refine}?tab=Description", ["nothing is generated"]),
    ("deployments/deployment/{synth-publish}?tab=Description", ["Export a version for trainers"]),
    (GENERATE + "?tab=Logs", ["generate finance", "Completed", "4 Task runs", *STAGES]),
    (GENERATE + "?tab=TaskRuns", SHARDS),
    (
        GENERATE + "?tab=Artifacts",
        ["synth-funnel-finance", "synth-version-finance", "synth-files-finance", "finance@1"],
    ),
    (GENERATE + "?tab=Parameters", ['"shard_size": 250', '"limit": 60']),
    ("runs/flow-run/{refine}?tab=Logs", ["refine finance", "Completed"]),
    ("runs/flow-run/{publish}?tab=Logs", ["publish finance", "Completed", "triplet: "]),
    ("artifacts", ["synth-funnel-finance", "synth-version-finance", "synth-files-finance"]),
    (
        "artifacts/artifact/{synth-funnel-finance}",
        ["planned 1000", "accepted 60", "rejected near_duplicate", "surplus"],
    ),
    (
        "artifacts/artifact/{synth-version-finance}",
        ["finance@1", "records 60", "hard negatives", "query:", "negative:"],
    ),
    ("artifacts/artifact/{synth-files-finance}", ["finance@1", "/store/versions/finance/1"]),
    ("artifacts/artifact/{synth-make-items-finance}", ["make items of finance", "100%"]),
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
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    server = PrefectServer(tmp_path_factory.mktemp("prefect-home"), extra={"PREFECT_RUNNER_POLL_FREQUENCY": "1"})
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ids(prefect: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`synth serve` at work, a run of each flow done: ids of deployments, of runs, and of the first run's artifacts."""
    folder = tmp_path_factory.mktemp("ui")
    command = [sys.executable, "-c", SERVE, "serve", "--store", str(folder / "store"), *SETTINGS]
    serving = subprocess.Popen(command, env=prefect.environment)
    try:
        found = {flow: prefect.deployment(f"{flow}/nightly")["id"] for flow in FORMS}
        for flow, changed in {
            "generate": {"shard_size": 250},
            "refine": {"negatives": 2},
            "publish": {"formats": ["triplet"], "export_to": str(folder / "trainers")},
        }.items():
            found[flow] = prefect.trigger(f"synth-{flow}/nightly", **changed)
            prefect.wait_until(found[flow], "COMPLETED")
        yield found | {key: row["id"] for key, row in prefect.artifacts(found["generate"]).items()}
    finally:
        serving.terminate()
        serving.wait(60)


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(20_000)
    yield page
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    page.close()


def visit(page: Page, prefect: PrefectServer, path: str) -> Locator:
    """The content of a page of the UI that Prefect shows unless asked for its older one."""
    page.goto(f"{prefect.api.removesuffix('/api')}/v2/{path}")
    return page.locator("body")


def shows(content: Locator, text: str) -> None:
    """Whatever spaces and line breaks are between the words."""
    words = re.compile(r"\s+".join(map(re.escape, text.split())))
    expect(content).to_contain_text(words, use_inner_text=True, timeout=20_000)


@pytest.mark.parametrize(("path", "texts"), PAGES, ids=[path for path, _ in PAGES])
def test_a_page_shows(path: str, texts: list[str], page: Page, prefect: PrefectServer, ids: dict[str, str]) -> None:
    content = visit(page, prefect, path.format_map(ids))
    for text in texts:
        shows(content, text)


def test_no_text_of_the_version_is_cut_off_at_the_side(page: Page, prefect: PrefectServer, ids: dict[str, str]) -> None:
    shows(visit(page, prefect, f"artifacts/artifact/{ids['synth-version-finance']}"), "Examples")
    cut = "blocks => blocks.filter(block => block.scrollWidth > block.clientWidth).map(block => block.innerText)"
    assert page.locator("pre").evaluate_all(cut) == []


def test_the_link_that_serve_prints_opens_the_deployment(
    page: Page, prefect: PrefectServer, ids: dict[str, str]
) -> None:
    page.goto(f"{prefect.api.removesuffix('/api')}/deployments/deployment/{ids['synth-generate']}")
    shows(page.locator("body"), "nightly")
    shows(page.locator("body"), "At 03:00 AM")


def open_form(page: Page, prefect: PrefectServer, deployment: str) -> Locator:
    form = visit(page, prefect, f"deployments/deployment/{deployment}/run")
    shows(form, "Submit")
    return form


def box_of(page: Page, title: str, inside: Locator) -> Locator:
    """The innermost box that holds the title of a field and what is `inside`."""
    return page.locator("div").filter(has=page.get_by_text(title, exact=True)).filter(has=inside).last


def number_of(page: Page, title: str) -> Locator:
    number = page.locator("input[type=number]")
    return box_of(page, title, number).locator(number)


def submit(page: Page) -> None:
    """As people do: again where SQLite was locked at that moment, which the server tells by 503."""
    for _ in range(3):
        with page.expect_response(re.compile(r"/create_flow_run$")) as sent:
            page.get_by_role("button", name="Submit").click()
        if sent.value.status != 503:
            break
    assert sent.value.ok, sent.value.text()


def runs_with(prefect: PrefectServer, **parameters: object) -> list[Row]:
    runs: list[Row] = prefect.ask("flow_runs/filter")
    return [run for run in runs if parameters.items() <= run["parameters"]["parameters"].items()]


@pytest.mark.parametrize("flow", FORMS)
def test_a_form_explains_every_field_and_asks_for_no_secret(
    flow: str, page: Page, prefect: PrefectServer, ids: dict[str, str]
) -> None:
    form = open_form(page, prefect, ids[flow])
    for field in FORMS[flow].model_json_schema()["properties"].values():
        if "title" in field:
            shows(form, field["title"])
        shows(form, field["description"])
    assert page.locator("input[type=password]").count() == 0


def test_a_form_offers_what_can_be_chosen(page: Page, prefect: PrefectServer, ids: dict[str, str]) -> None:
    open_form(page, prefect, ids["synth-refine"])
    given = page.get_by_text("str", exact=True)
    box_of(page, "Strategy (Optional)", given).locator(given).click()
    page.get_by_role("button").get_by_text("Select", exact=True).click()
    expect(page.get_by_role("option")).to_have_text(list(get_args(Strategy)))


def test_a_form_refuses_a_number_out_of_range_and_starts_nothing(
    page: Page, prefect: PrefectServer, ids: dict[str, str]
) -> None:
    open_form(page, prefect, ids["synth-generate"])
    limit = number_of(page, "Limit (Optional)")
    limit.fill("0")
    page.get_by_role("button", name="Submit").click()
    assert "greater than or equal to 1" in limit.evaluate("field => field.validationMessage")
    assert page.url.endswith("/run")
    assert runs_with(prefect, limit=0) == []


def test_a_run_is_started_from_the_form_as_it_was_filled_in(
    page: Page, prefect: PrefectServer, ids: dict[str, str]
) -> None:
    open_form(page, prefect, ids["synth-generate"])
    number_of(page, "Limit (Optional)").fill("40")
    submit(page)
    [run] = wait_for("the run of the form", lambda: runs_with(prefect, limit=40), 20)
    prefect.wait_until(run["id"], "COMPLETED")
