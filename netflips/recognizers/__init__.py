"""Recognisers of sound that are not our own: folders that a user has, opened behind `avcore.contracts.SpeechRecognizer`."""

from netflips.recognizers.whisper import open_whisper

__all__ = ["open_whisper"]
