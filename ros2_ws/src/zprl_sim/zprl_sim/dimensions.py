# SPDX-License-Identifier: Apache-2.0
"""Sizes of the Place Orange cell, in m, kg and rad, in the arm's base frame (x forward, z up).

The arm stands on the table (z = 0) at the origin; tray and juicer lie in front of it. Written once,
read by the MJCF generator, the layout sampler, the judge and the scripted expert.
"""

from __future__ import annotations

import math

TICK_HZ = 30  # of the demo task
SERVO_HZ = 120
PHYSICS_HZ = 480

# The tool: a parallel gripper that carries two rubber tongs. The tcp lies between the tips.
TOOL_LENGTH = 0.200  # flange to tcp
TONG_RADIUS = 0.005
PAD_RADIUS = 0.008  # of the round rubber tips
TONG_LENGTH = 0.085
WIDTH_MAX = 0.100  # gap between the tongs' inner faces
GRIP_FORCE_N = 14.0  # largest force of one tong
RUBBER_FRICTION = (0.60, 0.008, 0.0001)  # sliding, torsional (m), rolling (m)

# The half orange: cut face down, its frame's origin in the centre of the cut face, z along the dome.
HALF_RADIUS = 0.032
HALF_RIM = 0.020  # height of the cylindrical part
HALF_HEIGHT = 0.037
HALF_MASS = 0.085
HALF_FRICTION = (0.35, 0.003, 0.0006)  # against everything but the tongs

# The tray of the paper: 29 x 20 cm, the long side along y.
TRAY_CENTRE = (0.415, -0.095)
TRAY_SIZE = (0.200, 0.290)
TRAY_FLOOR = 0.004
TRAY_RIM = 0.007  # top of its edge above the table
LAYOUT_MARGIN = 0.040  # from the half's centre to the tray's outer edge

# The juicer: a fixed body with a filter on top and a low ring that is open on two sides for the tongs.
JUICER_CENTRE = (0.415, 0.140)
JUICER_RADIUS = 0.062
FILTER_TOP = 0.090
RING_RADIUS = 0.050  # inner
RING_HEIGHT = 0.012
RING_WALL = 0.005
RING_GAP = math.radians(24)  # half the opening, on the two sides along y

PLACE_YAW = math.pi / 2  # yaw of the tool with which the tongs fit through the ring's openings
