"""A still portrait that talks: one picture of a face, and speech for it."""
