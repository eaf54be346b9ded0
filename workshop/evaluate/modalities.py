"""What units of a clip are taken from."""

from av2unit.sources import AUDIO, VIDEO

BOTH, AUTO = f"{AUDIO},{VIDEO}", "auto"
"""Both; what a bundle decides for each utterance."""

__all__ = ["AUDIO", "AUTO", "BOTH", "VIDEO"]
