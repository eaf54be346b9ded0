"""Commands of many-to-many unit translation and denoising (UTUT); their code is in unit2unit.training."""
