"""What metrics may need beside the outcome: sides of a case, faces in pictures, models, packages."""

from importlib.util import find_spec

SOURCE, REFERENCE, REFERENCE_TEXT, REPORT = "source", "reference", "reference_text", "report"
FACES, OTHERS = "faces", "others"
RECOGNIZER, EXTRACTOR, SPEAKER, SYNCNET = "recognizer", "extractor", "speaker", "syncnet"
READER, PHRASEBOOK, VOSK, PUBLISHED = "reader", "phrasebook", "vosk", "published"
_PACKAGE, _JUDGE = "package:", "judge:"
_IN_WORDS = {
    SOURCE: "the source",
    REFERENCE: "reference speech",
    REFERENCE_TEXT: "a reference text",
    REPORT: "the dub's report (--report of netflips dub)",
    FACES: "pictures with a face",
    OTHERS: "clips of other people",
    RECOGNIZER: "a recognizer",
    EXTRACTOR: "a unit encoder",
    SPEAKER: "a speaker encoder",
    SYNCNET: "SyncNet (--syncnet)",
    READER: "a text reader of units (--unit2text-path)",
    PHRASEBOOK: "all sentences that a bundle knows",
    VOSK: "Vosk's Korean model (make judges)",
    PUBLISHED: "a Whisper (--recognizer, or make judges)",
}
"""As a reason names them."""


def package(name: str) -> str:
    """Return the need of an installed package."""
    return _PACKAGE + name


def user_judge(name: str) -> str:
    """Return the need of a model of the user's own, given as `--judge NAME=PATH`."""
    return _JUDGE + name


def judge_named(need: str) -> str | None:
    """Return the NAME of a need of `--judge`; None for another need."""
    return need.removeprefix(_JUDGE) if need.startswith(_JUDGE) else None


def in_words(need: str) -> str:
    """Return a need as a reason names it."""
    if need.startswith(_PACKAGE):
        return f"{need.removeprefix(_PACKAGE)}, which is not installed"
    name = judge_named(need)
    return _IN_WORDS[need] if name is None else f"a model (--judge {name}=PATH)"


def is_installed(need: str) -> bool:
    """Say whether a need is a package that is there."""
    return need.startswith(_PACKAGE) and find_spec(need.removeprefix(_PACKAGE)) is not None
