# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can cause or cure.

A message names the thing, the value seen, what is allowed, and the next thing to do. The command line
prints it without a traceback and ends with exit code 2; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations


class ZprlError(Exception):
    """Base of every error that is addressed to the user."""


class ConfigError(ZprlError):
    """A task, rig or setting is unknown, has the wrong type, is out of range, or contradicts another."""


class RigError(ZprlError):
    """A part of the rig is missing, stopped, or is not what the config says."""


class UnreachableError(RigError):
    """Nobody answers at a device's address."""


class DataError(ZprlError):
    """A dataset, log or run folder is missing, damaged, or does not fit."""


class CheckpointError(ZprlError):
    """A checkpoint is missing, truncated, or belongs to another task."""


class SafetyError(ZprlError):
    """A command was refused because it is not safe to execute."""


class SessionError(ZprlError):
    """A request does not fit the state that the session is in."""
