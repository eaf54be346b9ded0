"""The road over text, beside the road over units: sound, its text, that in another language, units; with models that a user has."""
