# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with the connection to a box. The controller's errors are not here: `Controller.fail`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LinkFaults:
    """Faults that last until they are taken back.

    Attributes:
        reply_delay_s: every reply comes that much later.
        drop_replies: commands are carried out, replies get lost.
        freeze_reports: connections stay, reports stop.
        refuse: nobody can connect.
    """

    reply_delay_s: float = 0.0
    drop_replies: bool = False
    freeze_reports: bool = False
    refuse: bool = False
