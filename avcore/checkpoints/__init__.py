"""Checkpoints: what is in them, read without running anything of theirs, checked, and written whole."""
