"""Many-to-many unit translation and denoising (UTUT), trained with fairseq."""
