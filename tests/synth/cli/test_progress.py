from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from synth.cli import progress
from synth.cli.progress import Bars, Lines, choose_reporter


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False)


@pytest.fixture
def log() -> Console:
    return Console(file=io.StringIO(), width=120, highlight=False)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time passes only when it is told to."""
    now = 1_000.0

    def pass_seconds(seconds: float) -> None:
        nonlocal now
        now += seconds

    class Time:
        @staticmethod
        def monotonic() -> float:
            return now

    monkeypatch.setattr(progress, "time", Time)
    return pass_seconds


def test_lines_say_each_stage_once(log: Console) -> None:
    with Lines(log) as lines:
        lines.stage("read documents")
        lines.advance()
        lines.stage("make items", 12_000)
        lines.advance(500)
        lines.note("nothing changed since finance@1")
    assert printed(log).splitlines() == ["read documents", "make items (12,000)", "nothing changed since finance@1"]


def test_lines_say_every_ten_seconds_how_far_they_are(log: Console, clock: Callable[[float], None]) -> None:
    lines = Lines(log)
    lines.stage("make items", 4_000)
    clock(9)
    lines.advance(900)
    assert len(printed(log).splitlines()) == 1
    clock(1)
    lines.advance(100)
    lines.advance(100)
    assert printed(log).splitlines()[1:] == ["make items: 1,000 done, 100/s, 30 s left"]
    clock(10)
    lines.advance(900)
    assert printed(log).splitlines()[2:] == ["make items: 2,000 done, 100/s, 20 s left"]


def test_lines_promise_no_end_where_the_total_is_unknown(log: Console, clock: Callable[[float], None]) -> None:
    lines = Lines(log)
    lines.stage("read documents")
    clock(20)
    lines.advance(40)
    assert printed(log).splitlines()[-1] == "read documents: 40 done, 2/s"


def test_a_new_stage_starts_counting_anew(log: Console, clock: Callable[[float], None]) -> None:
    lines = Lines(log)
    lines.stage("one", 10)
    clock(15)
    lines.advance(10)
    lines.stage("two", 10)
    clock(5)
    lines.advance(5)
    assert printed(log).splitlines()[-1] == "two (10)"
    clock(5)
    lines.advance(5)
    assert printed(log).splitlines()[-1] == "two: 10 done, 1/s, 0 s left"


@pytest.mark.parametrize("kind", [Lines, Bars])
def test_square_brackets_in_a_note_are_text(kind: Any, log: Console) -> None:
    with kind(log) as reporter:
        reporter.note("can't use the folder [bold]reports[/bold]")
    assert "[bold]reports[/bold]" in printed(log)


def test_bars_show_stage_count_and_rate(terminal: Console) -> None:
    with Bars(terminal) as bars:
        bars.stage("read documents")
        bars.advance()
        bars.stage("make items", 200)
        bars.advance(150)
        bars.advance(50)
    shown = printed(terminal)
    assert "read documents" in shown
    assert "make items" in shown
    assert "200/200" in shown
    assert "/s" in shown


def test_a_stage_that_ends_is_shown_as_done(terminal: Console) -> None:
    with Bars(terminal) as bars:
        bars.stage("make items", 200)
        bars.advance(120)
        bars.stage("publish", 3)
    last = printed(terminal).rsplit("make items", 1)[1]
    assert "120/120" in last.splitlines()[0]


def test_bars_stop_where_they_are_when_the_run_fails(terminal: Console) -> None:
    def fail_within(bars: Bars) -> None:
        with bars:
            bars.stage("make items", 200)
            bars.advance(120)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within(Bars(terminal))
    assert "120/200" in printed(terminal).rsplit("make items", 1)[1]


def test_progress_before_any_stage_is_no_trouble(terminal: Console) -> None:
    with Bars(terminal) as bars:
        bars.advance()
        bars.note("hello")
    assert "hello" in printed(terminal)


def test_bars_are_for_terminals_and_lines_for_logs(
    monkeypatch: pytest.MonkeyPatch, terminal: Console, log: Console
) -> None:
    monkeypatch.setattr(progress, "err", terminal)
    assert isinstance(choose_reporter(), Bars)
    monkeypatch.setattr(progress, "err", log)
    assert isinstance(choose_reporter(), Lines)


def test_how_a_stage_is_doing_stands_below_the_bars_and_ends_with_it(terminal: Console) -> None:
    with Bars(terminal) as bars:
        bars.stage("make items", 2_000)
        bars.advance(500)
        bars.status("256 requests/s, accepted 68%")
        during = printed_now(bars, terminal)
        bars.stage("mine and publish", 10)
        after = printed_now(bars, terminal)
    assert during.index("make items") < during.index("256 requests/s, accepted 68%")
    assert "500/2000" in during
    assert "256 requests/s" not in after


def printed_now(bars: Bars, console: Console) -> str:
    with console.capture() as captured:
        console.print(bars._progress.get_renderable())
    return captured.get()


def test_a_log_line_ends_with_how_the_stage_is_doing(log: Console, clock: Callable[[float], None]) -> None:
    lines = Lines(log)
    lines.stage("make items", 100)
    lines.status("256 requests/s")
    clock(11.0)
    lines.advance(20)
    assert printed(log).rstrip().endswith("s left; 256 requests/s")


def test_a_stage_in_which_nothing_is_done_for_long_promises_no_end(
    log: Console, clock: Callable[[float], None]
) -> None:
    lines = Lines(log)
    lines.stage("make items", 4_000)
    clock(11)
    lines.advance(0)
    assert printed(log).splitlines()[-1] == "make items: 0 done, 0/s"
