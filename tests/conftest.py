"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# A deadline per example measures how busy the machine is; pytest's time-out catches what hangs.
settings.register_profile("zprl", deadline=None)
settings.load_profile("zprl")

# A shell without job control starts background jobs with SIGINT ignored, and their children inherit that. The
# tests press Ctrl-C on their own processes, so they need it whoever started them.
signal.signal(signal.SIGINT, signal.default_int_handler)
