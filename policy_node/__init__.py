"""Lifecycle node: observation snapshot in, steered action chunk out, at the rate of the task."""
