"""The vocoder: units to speech."""
