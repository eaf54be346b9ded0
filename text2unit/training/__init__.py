"""Training of a speller: text and units of the same recordings."""
