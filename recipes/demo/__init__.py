"""What no user runs from a wheel: the demo's drawn heads, voices, recipe and exam, random checkpoints."""
