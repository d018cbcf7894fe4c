"""The session: which episode, in which state, with which outcome; and who says so where nobody watches."""
