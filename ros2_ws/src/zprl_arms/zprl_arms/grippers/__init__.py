"""Grippers with a connection of their own. Each is a `GripperDevice`, moved by a `GripperWorker`."""
