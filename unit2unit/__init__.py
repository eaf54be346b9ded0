"""Stage 2: units of one language to units of another."""
