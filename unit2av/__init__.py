"""Stage 3: units to speech and lips."""
