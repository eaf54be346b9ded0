"""The version of this code; setuptools reads it here."""

__version__ = "0.1.0"
