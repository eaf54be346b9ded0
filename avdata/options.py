"""What the subcommands of `netflips manifest` share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Subcommand(NamedTuple):
    """purpose: in one line. add: adds its options to a parser. work: does it, and may return an exit code."""

    purpose: str
    add: Callable[[argparse.ArgumentParser], None]
    work: Callable[[argparse.Namespace], int | None]


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add the manifest that is read, and its root."""
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="JSON lines")
    parser.add_argument("--root", type=Path, metavar="DIR", help="folder its paths start from (default: its own)")


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the file that is written."""
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PATH")


def words(text: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
