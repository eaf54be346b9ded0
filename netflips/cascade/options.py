"""Whether a dub takes the unit pipeline or the cascade over text, and what that needs."""

from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.flags import flag
from avcore.outputs import Input
from netflips.published.store import usual_model

UNITS, TEXT = "units", "text"
ROADS = (UNITS, TEXT)
_CASCADE = "speech to text, that to text of the other language, that to speech: in place of units that are translated"


@dataclass(frozen=True)
class CascadeModels:
    """The folders of the cascade: of a Whisper and of a text translator, as CTranslate2 writes them."""

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
    """--cascade and what goes with it."""

    road: str = flag(
        group=("cascade", "for those who have no unit translator; needs the extra asr, and a text-to-unit model or --speak-with"),
        default=UNITS,
        choices=ROADS,
        also={"--cascade": {"action": "store_const", "const": TEXT, "help": _CASCADE}},
    )
    """text: an older name of --cascade (default: units)"""
    recognizer: Path | None = flag(default=None, file=Input("the recognizer", may_be_folder=True), metavar="DIR")
    """folder of faster-whisper, or a name of netflips models"""
    text_translator: Path | None = flag(default=None, file=Input("the text translator", may_be_folder=True), metavar="DIR")
    """CTranslate2 folder of a translator, or such a name"""
    beam: int | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says, 20)"""
    max_target_units: int | None = flag(default=None)
    """limit of translated units, 0 = none (default: as the checkpoint says, 200)"""

    def cascade_models(self) -> CascadeModels | None:
        """The cascade where it is asked for. A model that is not given is that of the set `korean`, where it was fetched.

        Raises UsageError for options of the other road, or models that are missing.
        """
        given = {"--recognizer": self.recognizer, "--text-translator": self.text_translator}
        if self.road == UNITS:
            asked = [flag for flag, path in given.items() if path is not None]
            if asked:
                belong = "belongs" if len(asked) == 1 else "belong"
                hint = "add --cascade, or leave it out"
                raise UsageError(f"{' and '.join(asked)} {belong} to the cascade", hint=hint)
            return None
        used = {flag: path or usual_model(flag) for flag, path in given.items()}
        recognizer, translator = used.values()
        if recognizer is None or translator is None:
            raise UsageError(
                "--cascade needs models that are not here",
                expected=" and ".join(f"{flag} DIR" for flag, path in used.items() if path is None),
                hint="run: netflips models get korean",
            )
        if self.beam is not None or self.max_target_units is not None:
            raise UsageError("--beam and --max-target-units belong to the unit pipeline", hint="leave them out")
        return CascadeModels(recognizer, translator)
