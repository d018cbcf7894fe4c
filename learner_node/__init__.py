"""Lifecycle node: synchronous soft actor-critic updates, replay log, checkpoints and actor weights."""
