"""Stage 1: audio and lips to discrete units."""
