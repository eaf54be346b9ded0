"""Parts that are not in the wheel: the demo's drawn heads, voices, recipe and exam, and random checkpoints."""
