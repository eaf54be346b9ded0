"""Speech recognizers from elsewhere: folders of the user's, opened as an `avcore.contracts.SpeechRecognizer`."""
