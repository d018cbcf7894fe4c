"""Soft actor-critic on a steering interface: actor, critics, replay, learner (section IV-C)."""
