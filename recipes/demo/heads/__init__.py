"""Made material that belongs to nobody: drawn heads and synthesised speech."""
