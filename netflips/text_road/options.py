"""Which road a dub takes, and what the one over text needs."""

from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.flags import flag
from avcore.outputs import Input
from netflips.published.store import usual_model

UNITS, TEXT = "units", "text"
ROADS = (UNITS, TEXT)


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


@dataclass(frozen=True, kw_only=True)
class RoadFlags:
    """--road and what goes with it."""

    road: str = flag(
        group=("road over text", "for those who have no unit translator; needs the extra asr, and a speller"),
        default=UNITS,
        choices=ROADS,
    )
    """units: speech and lips to units, those to units of the other language; text: speech to text, that to text of the other
    language, that to units (default: units)"""
    recognizer: Path | None = flag(default=None, file=Input("the recognizer", may_be_folder=True), metavar="DIR")
    """folder of faster-whisper, or a name of netflips models"""
    text_translator: Path | None = flag(default=None, file=Input("the text translator", may_be_folder=True), metavar="DIR")
    """CTranslate2 folder of a translator, or such a name"""
    beam: int | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says, 20)"""
    max_target_units: int | None = flag(default=None)
    """limit of translated units, 0 = none (default: as the checkpoint says, 200)"""

    def text_road(self) -> TextRoad | None:
        """The road over text where it is asked for. A model that is not given is that of the set `korean`, where it was fetched.

        Raises UsageError for options of the other road, or models that are missing.
        """
        given = {"--recognizer": self.recognizer, "--text-translator": self.text_translator}
        if self.road == UNITS:
            asked = [flag for flag, path in given.items() if path is not None]
            if asked:
                belong = "belongs" if len(asked) == 1 else "belong"
                hint = f"add --road {TEXT}, or leave it out"
                raise UsageError(f"{' and '.join(asked)} {belong} to the road over text", hint=hint)
            return None
        used = {flag: path or usual_model(flag) for flag, path in given.items()}
        recognizer, translator = used.values()
        if recognizer is None or translator is None:
            raise UsageError(
                f"--road {TEXT} needs models that are not here",
                expected=" and ".join(f"{flag} DIR" for flag, path in used.items() if path is None),
                hint="run: netflips models get korean",
            )
        if self.beam is not None or self.max_target_units is not None:
            raise UsageError("--beam and --max-target-units belong to the road over units", hint="leave them out")
        return TextRoad(recognizer, translator)
