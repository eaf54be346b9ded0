"""Whether a dub takes the unit pipeline or the cascade over text, and what that needs."""

from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.files import Input
from avcore.flags import flag
from netflips.cascade.program import require_translate_with
from netflips.published.store import usual_model


@dataclass(frozen=True)
class CascadeModels:
    """The folders of the cascade: of a Whisper and of a text translator, as CTranslate2 writes them.

    program: a command or an address on this machine that translates; then there is no folder. glossary: words of the user's.
    """

    recognizer: Path
    translator: Path | None
    program: str = ""
    glossary: Path | None = None

    def __post_init__(self) -> None:
        for name in ("recognizer", "translator", "glossary"):
            path = getattr(self, name)
            object.__setattr__(self, name, None if path is None else Path(path))
        if (self.translator is None) != bool(self.program):
            raise UsageError("the cascade takes one translator", expected="a folder, or a program")

    @property
    def files(self) -> dict[str, list[Path]]:
        """What is read, in words and by path."""
        named = {"the recognizer": self.recognizer, "the text translator": self.translator, "the glossary": self.glossary}
        return {what: sorted(path.iterdir()) if path.is_dir() else [path] for what, path in named.items() if path is not None}


@dataclass(frozen=True, kw_only=True)
class CascadeFlags:
    """--cascade and what goes with it."""

    cascade: bool = flag(
        group=("cascade", "dub without a unit translator; needs the extra asr, and a text-to-unit model or --speak-with"),
        default=False,
    )
    """recognise the speech, translate its text and speak the translation, in place of translating units"""
    recognizer: Path | None = flag(default=None, file=Input("the recognizer", may_be_folder=True), metavar="DIR")
    """folder of faster-whisper, or a name of netflips models"""
    text_translator: Path | None = flag(default=None, file=Input("the text translator", may_be_folder=True), metavar="DIR")
    """CTranslate2 folder of a translator, or such a name"""
    translate_with: str | None = flag(default=None, metavar="COMMAND|URL")
    """translator in place of --text-translator: a program that answers lines of JSON, or an address on this machine"""
    glossary: Path | None = flag(default=None, file=Input("the glossary"))
    """how words are translated: lines of English<TAB>Korean; Korean particles are corrected"""
    beam: int | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says, 20)"""
    max_target_units: int | None = flag(default=None)
    """limit of translated units (default: none; published: 200)"""

    def cascade_models(self) -> CascadeModels | None:
        """Return the cascade where it is asked for. A model that is not given is that of the set `korean`, where it was fetched.

        Raises UsageError for options of the cascade without it, or models that are missing.
        """
        given = {"--recognizer": self.recognizer, "--text-translator": self.text_translator}
        if not self.cascade:
            others = {"--translate-with": self.translate_with, "--glossary": self.glossary}
            asked = [flag for flag, value in (given | others).items() if value is not None]
            if asked:
                belong = "belongs" if len(asked) == 1 else "belong"
                hint = "add --cascade, or leave it out"
                raise UsageError(f"{' and '.join(asked)} {belong} to the cascade", hint=hint)
            return None
        if self.translate_with is not None:
            require_translate_with(self.translate_with)
            if given.pop("--text-translator") is not None:
                raise UsageError("--translate-with stands in place of --text-translator", hint="leave one of them out")
        used = {flag: path or usual_model(flag) for flag, path in given.items()}
        recognizer, translator = used["--recognizer"], used.get("--text-translator")
        if recognizer is None or (translator is None and self.translate_with is None):
            raise UsageError(
                "--cascade needs models that are not here",
                expected=" and ".join(f"{flag} DIR" for flag, path in used.items() if path is None),
                hint="run: netflips models get korean",
            )
        if self.beam is not None or self.max_target_units is not None:
            raise UsageError("--beam and --max-target-units belong to the unit pipeline", hint="leave them out")
        return CascadeModels(recognizer, translator, self.translate_with or "", self.glossary)
