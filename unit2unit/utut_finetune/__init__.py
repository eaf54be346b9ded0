"""Commands that make a translator of one language pair; their code is in unit2unit.training."""
