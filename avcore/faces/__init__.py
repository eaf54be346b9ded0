"""Faces: detect, track, align, crop, paste."""
