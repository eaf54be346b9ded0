"""The face renderer: units to lips."""
