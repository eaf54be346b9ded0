"""The cascade, beside the unit pipeline: speech recognition, text translation, speech; with models that a user has."""
