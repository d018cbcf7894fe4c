"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A deadline per example measures how busy the machine is; pytest's time-out catches what hangs.
settings.register_profile("zprl", deadline=None)
settings.load_profile("zprl")
