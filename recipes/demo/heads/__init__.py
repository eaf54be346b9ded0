"""Drawn heads, which are nobody's faces."""
