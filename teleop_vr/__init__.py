"""Teleoperation: a page in a headset (or a keyboard) whose hands move the arms, inside all limits of their bridges."""
