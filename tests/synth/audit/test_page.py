"""The page of a sheet in a real browser: filled by keyboard, saved as the CSV that `synth audit import` reads."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from synth.audit.page import render_page
from synth.audit.sheets import Line, as_csv, table_of

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
LINES = [
    Line(1, "Find the answer", '=cmd|"/c calc"', ["It says </script><script>document.title = 'run'</script> here."]),
    Line(2, "", "Wer zahlt\ndie Gebühr?", ["Der Käufer.", "Der „Verkäufer“, 2\u2028Zeilen."]),
    Line(2, "", "Wer zahlt\ndie Gebühr?", ["Der Käufer."], ["-5 %, sagt er", "Niemand", "Alle"]),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        message = "THE TESTS OF THE AUDIT'S PAGE DID NOT RUN: no chromium (tests/install_chromium.sh installs Debian's)"
        if os.environ.get("SYNTH_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "sheet-1.html"
    path.write_bytes(render_page(LINES, table_of(LINES, "a1b2c3", 1), "sheet-1", ","))
    return path


@pytest.fixture
def page(browser: Browser, sheet: Path) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(10_000)
    page.goto(sheet.as_uri())
    yield page
    page.screenshot(path=sheet.with_suffix(".png"), full_page=True)
    page.close()


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def saved(page: Page, folder: Path) -> bytes:
    with page.expect_download() as download:
        page.keyboard.press("s")
    assert download.value.suggested_filename == "sheet-1.csv"
    download.value.save_as(folder / "saved.csv")
    return (folder / "saved.csv").read_bytes()


def test_an_untouched_page_saves_the_sheet_byte_for_byte(page: Page, tmp_path: Path) -> None:
    assert saved(page, tmp_path) == as_csv(table_of(LINES, "a1b2c3", 1), ",")


def test_texts_are_shown_as_they_are_and_never_run(page: Page) -> None:
    assert page.title() == "Audit"
    expect(page.locator(".query")).to_have_text('=cmd|"/c calc"')
    expect(page.locator("main")).to_contain_text("</script><script>document.title = 'run'</script>")
    expect(page.locator("main")).to_contain_text("Is the positive right for the query under the instruction?")


def test_the_keyboard_fills_the_sheet(page: Page, tmp_path: Path) -> None:
    press(page, "y c")
    expect(page.locator("h1")).to_have_text("sheet-1, row 2 of 3")
    press(page, "n u m")
    page.keyboard.type("nyc 1")
    press(page, "Escape x")
    expect(page.locator("main")).to_contain_text("Which of these are right")
    press(page, "3 1 2 2")
    expect(page.locator("#count")).to_have_text("3 answered")
    rows = list(csv.DictReader(io.StringIO(saved(page, tmp_path).decode("utf-8-sig"), newline="")))
    answers = [[row[name] for name in ("relevant", "clear", "negatives_right", "note")] for row in rows]
    assert answers == [["yes", "yes", "", ""], ["unsure", "no", "", "nyc 1"], ["", "", "1 3", ""]]


def test_the_mouse_does_the_same_and_an_answer_can_be_taken_back(page: Page) -> None:
    page.get_by_role("button", name="unsure").click()
    expect(page.get_by_role("button", name="unsure")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="unsure").click()
    expect(page.get_by_role("button", name="unsure")).to_have_attribute("aria-pressed", "false")
    press(page, "j j")
    page.get_by_role("button", name="Niemand").click()
    expect(page.get_by_role("button", name="Niemand")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="none").click()
    expect(page.get_by_role("button", name="Niemand")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#count")).to_have_text("1 answered")


def test_what_was_answered_is_there_when_the_page_is_opened_again(page: Page) -> None:
    press(page, "y c")
    page.reload()
    expect(page.locator("h1")).to_have_text("sheet-1, row 2 of 3")
    press(page, "k")
    expect(page.get_by_role("button", name="yes y")).to_have_attribute("aria-pressed", "true")


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    press(page, "j j")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
