"""Checkpoints: read without running any code in them, checked, and written whole."""
