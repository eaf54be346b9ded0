"""Say units: `python -m unit2av.inference_unit2a x.txt --voice voice.wav -o x.wav ...`.

The published command's own flags work too: `--checkpoint g_00500000 --config config.json --input_file X.pt`.
"""

import sys
from typing import TYPE_CHECKING

from avcore.flags import Command
from avcore.loading import loading, names_from
from unit2av.inference_options import SpeakOptions

if TYPE_CHECKING:
    from avcore.contracts import Speech
    from unit2av.voice.speech import UnitVocoder


# Other programs import these from here; torch is imported only when one of them is asked for.
__getattr__ = names_from(__name__, {"Speech": "unit2av.voice.speech", "UnitVocoder": "unit2av.voice.speech"})


def _work(options: SpeakOptions) -> None:
    with loading():
        from unit2av.speaking import speak_file, speak_item

    (speak_item if options.is_as_published else speak_file)(options)


_COMMAND = Command(SpeakOptions, "unit2a", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

__all__ = ["Speech", "UnitVocoder", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
