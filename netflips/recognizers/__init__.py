"""Recognizers of sound that are not our own: folders that a user has, opened behind `avcore.contracts.SpeechRecognizer`."""
