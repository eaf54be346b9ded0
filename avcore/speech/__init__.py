"""Sound as numbers: levels and resampling, voice activity detection, pitch."""
