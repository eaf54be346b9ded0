"""Subtitles: words with times to what can be read on a screen, and the files that players take."""
