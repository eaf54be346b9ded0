"""The time before each line that a training run prints; errors stay as every command prints them."""

import logging

from avcore.plain_text import PlainFormatter

TRAINING = "netflips.train"
"""The logger of training runs."""
_TIME = "%Y-%m-%d %H:%M:%S"


class _Stamped(PlainFormatter):
    def format(self, record: logging.LogRecord) -> str:
        """The record's line, with the local time where it is a training run's."""
        line = super().format(record)
        return f"{self.formatTime(record, _TIME)} {line}" if record.name == TRAINING else line


def stamp_training_lines() -> None:
    """Let the handlers that a command has set up write the time before lines of training runs."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setFormatter(_Stamped("%(message)s"))
