# SPDX-License-Identifier: Apache-2.0
"""Replay: a policy plans again what it saw in bags, and what it plans is held against what was done."""
