"""Teleoperation: hands in a headset, or at a keyboard, move the arms inside all limits of their bridges."""
