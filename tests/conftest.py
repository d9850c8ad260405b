"""Hypothesis fails no test for being slow: machines that are shared take what time they like."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("synth", deadline=None)
settings.load_profile("synth")
