"""A still portrait that talks: one image of a face, and speech for it."""
