"""Say units: `python -m unit2av.inference_unit2a --in-unit-path x.txt --speaker-path voice.wav --out-wav-path x.wav ...`.

The published command's own flags work too: `--checkpoint g_00500000 --config config.json --input_file X.pt`.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avcore.flags import parser_for, run_with
from avcore.loading import loading, names_from
from avcore.usage import Parser
from unit2av.inference_options import SpeakOptions

if TYPE_CHECKING:
    from unit2av.voice.speech import Speech, UnitVocoder

_PROG = "unit2a"

__getattr__ = names_from(__name__, {"Speech": "unit2av.voice.speech", "UnitVocoder": "unit2av.voice.speech"})


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    return parser_for(SpeakOptions, prog)


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run_with(SpeakOptions, _work, argv, prog)


def _work(options: SpeakOptions) -> None:
    with loading():
        from unit2av.saying import say_file, say_item

    (say_item if options.is_as_published else say_file)(options)


__all__ = ["Speech", "UnitVocoder", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
