"""Dubbing of real recordings: minutes long, with pauses, music and cuts, each sentence in its own place."""
