"""Commands that make a translator of one language pair; training itself is in unit2unit.training."""
