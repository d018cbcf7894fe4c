"""Demonstrations on disk and in memory."""
