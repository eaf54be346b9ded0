"""`netflips prepare`: the corpora of `avdata.prepare`, and pairs whose other side is made with recognisers and text translators."""

import sys
from collections.abc import Sequence

from avcore.command import Parser
from avdata.prepare import command

CORPORA = command.CORPORA | {
    "pairs": ("netflips.synthetic_pairs", "pairs from a corpus of one language, by a text translator and text-to-speech programs")
}


def build_parser() -> Parser:
    """The corpora; the options of each are its own."""
    return command.build_parser(CORPORA)


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a corpus and return the exit code."""
    return command.main(argv, CORPORA)


if __name__ == "__main__":
    sys.exit(main())
