from __future__ import annotations

import os
import signal

import pytest

from synth.cli.interrupt import Attentive
from synth.progress import Silent


def test_an_interrupt_that_was_swallowed_is_raised_again_at_the_next_progress() -> None:
    with Attentive(Silent()) as reporter:
        reporter.advance()
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            pass
        reporter.note("still talking")
        with pytest.raises(KeyboardInterrupt):
            reporter.advance()
        with pytest.raises(KeyboardInterrupt):
            reporter.stage("next")


def test_the_handler_of_before_comes_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Attentive(Silent()):
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
