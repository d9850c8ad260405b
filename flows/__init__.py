"""Prefect wiring: parameters, shard tasks, artifacts and schedules. No logic of its own."""

from __future__ import annotations

from flows.environment import set_defaults

set_defaults()
