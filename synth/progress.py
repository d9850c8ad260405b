"""How the engine says what it is doing, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Told of stages and of progress within them."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A stage begins; `total` where it is known."""

    def advance(self, amount: int = 1) -> None:
        """`amount` more of the current stage is done."""

    def status(self, text: str) -> None:
        """How the current stage is doing right now; replaces what was said before."""

    def note(self, message: str) -> None:
        """One line a person should see."""


class Silent:
    """Listens to nothing."""

    def stage(self, name: str, total: int | None = None) -> None:
        pass

    def advance(self, amount: int = 1) -> None:
        pass

    def status(self, text: str) -> None:
        pass

    def note(self, message: str) -> None:
        pass
