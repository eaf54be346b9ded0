"""The cascade, an alternative to the unit pipeline: speech recognition, text translation, text to speech, by the user's models."""
