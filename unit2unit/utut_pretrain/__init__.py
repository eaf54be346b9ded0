"""Commands of many-to-many unit translation and denoising (UTUT); training itself is in unit2unit.training."""
