"""The recorder: whatever is published while an episode lasts goes into the bag of that episode."""
