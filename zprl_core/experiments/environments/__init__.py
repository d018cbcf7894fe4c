# SPDX-License-Identifier: Apache-2.0
"""Benchmark tasks behind one protocol."""
