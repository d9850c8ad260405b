from __future__ import annotations

import asyncio

import pytest

from synth.llm.transport import Lull, Response


def test_answers_that_come_together_are_followed_by_one_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("synth.llm.transport.time.sleep", pauses.append)

    async def hear_twice_three_answers() -> None:
        lull = Lull(asyncio.get_running_loop())
        for _ in range(2):
            for _ in range(3):
                lull.begin()
            assert len(pauses) < 2
            await asyncio.sleep(0)

    asyncio.run(hear_twice_three_answers())
    assert pauses == [Lull.SECONDS] * 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({b"retry-after": b"2.5"}, 2.5),
        ({b"retry-after": b"3600"}, 60.0),
        ({b"retry-after": b"Mon, 23 Nov 2026 10:00:00 GMT"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_server_may_say_when_to_come_back(headers: dict[bytes, bytes] | None, seconds: float | None) -> None:
    assert Response(503, headers=headers).retry_after == seconds
