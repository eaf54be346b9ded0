"""Which road a dub takes, and what the one over text needs."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from netflips.published.store import usual_model

UNITS, TEXT = "units", "text"
ROADS = (UNITS, TEXT)
_FLAGS = {"recognizer": "--recognizer", "translator": "--text-translator"}


@dataclass(frozen=True)
class TextRoad:
    """The folders of the road over text: of a Whisper and of a text translator, as CTranslate2 writes them."""

    recognizer: Path
    translator: Path

    def __post_init__(self) -> None:
        for name in ("recognizer", "translator"):
            object.__setattr__(self, name, Path(getattr(self, name)))

    @property
    def files(self) -> dict[str, list[Path]]:
        """What is read, in words and by path."""
        folders = {"the recognizer": self.recognizer, "the text translator": self.translator}
        return {what: sorted(folder.iterdir()) if folder.is_dir() else [folder] for what, folder in folders.items()}


def add_road_options(parser: argparse.ArgumentParser) -> None:
    """Add --road and what goes with it."""
    group = parser.add_argument_group("road over text", "for those who have no unit translator; needs the extra asr, and a speller")
    group.add_argument(
        "--road",
        choices=ROADS,
        default=UNITS,
        help="units: speech and lips to units, those to units of the other language; text: speech to text, that to text of the "
        "other language, that to units (default: units)",
    )
    group.add_argument("--recognizer", type=Path, metavar="DIR", help="folder of faster-whisper, or a name of netflips models")
    group.add_argument("--text-translator", type=Path, metavar="DIR", help="CTranslate2 folder of a translator, or such a name")


def text_road(options: argparse.Namespace) -> TextRoad | None:
    """The road over text where it is asked for. A model that is not given is that of the set `korean`, where it was fetched.

    Raises UsageError for options of the other road, or models that are missing.
    """
    given = {flag: getattr(options, flag.lstrip("-").replace("-", "_")) for flag in _FLAGS.values()}
    if options.road == UNITS:
        asked = [flag for flag, path in given.items() if path is not None]
        if asked:
            belong = "belongs" if len(asked) == 1 else "belong"
            raise UsageError(f"{' and '.join(asked)} {belong} to the road over text", hint=f"add --road {TEXT}, or leave it out")
        return None
    usual = {name: given[flag] or usual_model(flag) for name, flag in _FLAGS.items()}
    used = {name: path for name, path in usual.items() if path is not None}
    missing = [flag for name, flag in _FLAGS.items() if name not in used]
    if missing:
        raise UsageError(
            f"--road {TEXT} needs models that are not here",
            expected=" and ".join(f"{flag} DIR" for flag in missing),
            hint="run: netflips models get korean",
        )
    if options.beam is not None or options.max_target_units is not None:
        raise UsageError("--beam and --max-target-units belong to the road over units", hint="leave them out")
    return TextRoad(**used)
