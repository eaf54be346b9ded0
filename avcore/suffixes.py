"""Endings of the media files that are looked for in folders; a file that is named outright may have any."""

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv", ".3gp")
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".pcm")
LIP_ENDING = ".lip.mp4"
"""Of the published side file with a video's lip crops, `<stem>.lip.mp4`."""
BOXES_ENDING = ".bbox.pkl"
"""Of the published side file with a video's face boxes, `<stem>.bbox.pkl`."""
