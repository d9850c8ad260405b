from __future__ import annotations

import logging

import pytest

from flows.progress import ProgressBoard
from flows.reporter import FlowReporter, ShardReporter, check_wanted, stop_shards
from synth.errors import RunStopped


def test_a_stage_is_one_line_and_its_items_are_none(caplog: pytest.LogCaptureFixture) -> None:
    reporter = FlowReporter("run", ProgressBoard(None, "finance"))
    with caplog.at_level(logging.INFO, logger="flows"):
        reporter.stage("make items", 1_000)
        for _ in range(1_000):
            reporter.advance()
        reporter.stage("judge the whole set")
        reporter.note("nothing changed")
    assert caplog.messages == ["make items (1000)", "judge the whole set", "nothing changed"]


def test_shards_in_threads_tell_the_flow_run_how_far_they_are() -> None:
    board = ProgressBoard(None, "finance")
    reporter, shard, stranger = FlowReporter("run-1", board), ShardReporter("run-1"), ShardReporter("run-2")
    reporter.stage("make items", 200)
    for each in (shard, stranger):
        each.advance(50)
    assert (shard.told, stranger.told) == (50, 0)
    assert [(stage.name, stage.percent) for stage in board.stages] == [("make items", 25.0)]


def test_a_stage_that_comes_again_goes_on_where_it_was() -> None:
    board = ProgressBoard(None, "finance")
    for name, total in (("make items", 100), ("judge the whole set", None), ("make items", 300)):
        board.begin(name, total)
        board.advance(total or 1)
    assert [(stage.name, stage.done, stage.total, stage.is_over) for stage in board.stages] == [
        ("judge the whole set", 1, None, True),
        ("make items", 400, 400, False),
    ]
    assert board.stages[1].percent == 99.0  # whole is what is over


def test_shards_of_a_stopped_run_end_at_their_next_sign_of_life_until_it_is_resumed() -> None:
    shard = ShardReporter("run-3")
    shard.advance()
    stop_shards("run-3")
    for sign in (shard.advance, lambda: shard.status("10 requests"), lambda: check_wanted("run-3")):
        with pytest.raises(RunStopped, match="`synth resume run-3` goes on"):
            sign()
    FlowReporter("run-3", ProgressBoard(None, "finance"))
    shard.advance()
