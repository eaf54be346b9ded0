"""Subtitles: made of words with times, drawn into frames, and read from and written to the files that players use."""
