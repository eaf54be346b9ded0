"""Training of a text-to-unit model: text and units of the same recordings."""
