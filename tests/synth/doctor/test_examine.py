from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from synth.doctor import Check, examine
from synth.doctor.finding import Finding, ok, warning
from synth.errors import InputError, MissingExtra


def check(name: str, *findings: Finding, is_apart: bool = False) -> Check:
    return Check("section", name, lambda: findings, is_apart)


def failing(error: Exception) -> Iterator[Finding]:
    yield ok("before", "came before it failed")
    raise error


def hanging(seconds: float) -> Iterator[Finding]:
    yield ok("before", "came before it hung")
    time.sleep(seconds)


def names(checks: list[Check], timeout: float = 5.0) -> list[tuple[str, str]]:
    return [(finding.name, finding.state) for _, finding in examine(checks, timeout)]


def test_what_is_found_comes_in_the_order_of_the_checks() -> None:
    checks = [check("a", ok("a", "")), check("b", ok("b", ""), is_apart=True), check("c", ok("c", ""), ok("d", ""))]
    assert names(checks) == [("a", "ok"), ("b", "ok"), ("c", "ok"), ("d", "ok")]


def test_one_that_fails_is_told_and_hides_none_of_the_others() -> None:
    checks = [
        Check("section", "mistyped", lambda: failing(InputError("there is no x; did you mean 'y'?"))),
        Check("section", "extra", lambda: failing(MissingExtra("the teacher", "teacher"))),
        Check("section", "stale", lambda: failing(OSError(116, "Stale file handle", "/mnt/store"))),
        Check("section", "bug", lambda: failing(ZeroDivisionError("by\nzero"))),
        check("last", ok("last", "")),
    ]
    found = [finding for _, finding in examine(checks, 5.0) if finding.name != "before"]
    assert found[0] == Finding("mistyped", "broken", "there is no x", "did you mean 'y'?")
    assert "pip install" in found[1].fix
    assert "teacher" in found[1].fix
    assert found[2].said == "[Errno 116] Stale file handle: '/mnt/store'"
    assert found[3].said == "could not be looked at: ZeroDivisionError: by zero"
    assert found[4].state == "ok"


def test_one_that_hangs_is_given_up_with_what_it_had_found() -> None:
    began = time.monotonic()
    checks = [Check("section", "slow", lambda: hanging(30.0)), check("last", ok("last", ""))]
    assert names(checks, timeout=0.2) == [("before", "ok"), ("slow", "broken"), ("last", "ok")]
    assert time.monotonic() - began < 5


def test_those_that_are_apart_are_asked_at_the_same_time() -> None:
    together = threading.Barrier(6, timeout=5)

    def meet() -> Iterator[Finding]:
        together.wait()
        yield ok("met", "")

    assert names([Check("section", str(n), meet, is_apart=True) for n in range(6)]) == [("met", "ok")] * 6


def test_no_secret_of_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_LLM_API_KEY", "sk-nobody-may-read-this")
    said = warning(
        "a", "the server says: wrong key\n sk-nobody-may-read-this at http://me:geheim@host/v1", "ask\nagain"
    )
    ((_, found),) = examine([check("a", said)])
    assert found.said == "the server says: wrong key [SYNTH_LLM_API_KEY] at http://host/v1"
    assert found.fix == "ask again"


@pytest.mark.parametrize(
    ("message", "said", "fix"),
    [
        ("a; b is so; do c", "a; b is so", "do c"),
        ("--llm 'x': write http://HOST:PORT/v1", "--llm 'x'", "write http://HOST:PORT/v1"),
        ("x.yaml, field y: not a number", "x.yaml, field y: not a number", ""),
    ],
)
def test_an_error_of_ours_is_split_into_what_is_and_what_to_do(message: str, said: str, fix: str) -> None:
    ((_, found),) = examine([Check("section", "a", lambda: _raise(InputError(message)))])
    assert (found.said, found.fix) == (said, fix)


def _raise(error: Exception) -> Iterator[Finding]:
    raise error
    yield
