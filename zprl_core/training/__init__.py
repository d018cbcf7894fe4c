"""Offline training: the base policy and its bottleneck."""
