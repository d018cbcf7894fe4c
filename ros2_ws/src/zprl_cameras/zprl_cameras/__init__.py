"""Ingestion: cameras and proprioception become stamped topics of the task's shape."""
