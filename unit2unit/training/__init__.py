"""Training of the translator with fairseq, which is imported here alone: many-to-many pre-training, and one language pair."""
