"""Trials of folders that end in other ways than engines do here."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def crash(folder: Path, settings: Mapping[str, Any]) -> None:
    """As an engine that reads beyond its memory."""
    os.kill(os.getpid(), signal.SIGSEGV)


def panic(folder: Path, settings: Mapping[str, Any]) -> None:
    """As a library that ends by something that is no Exception."""
    raise BaseException("index out of bounds\nand more")


def go_well(folder: Path, settings: Mapping[str, Any]) -> None:
    """As a good folder."""
