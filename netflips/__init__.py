"""NetfLips: dub people on video into another language, in their own voice, with lips that fit."""

__version__ = "0.1.0"
