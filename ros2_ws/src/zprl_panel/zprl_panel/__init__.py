"""The operator's panel: a web page beside the session, which shows and asks, and decides nothing."""
