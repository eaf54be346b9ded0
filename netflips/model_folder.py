"""A checkpoint of any stage as a folder for a model hub, with a card: `netflips convert FILE --to hub -o FOLDER`.

The folder is our own format under the names that hubs look for: `FOLDER/model.safetensors` works wherever a checkpoint does, and
`netflips convert FOLDER -o x.safetensors` is the way back.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import HUB_CONFIG
from avcore.checkpoints.stages import Checkpoint, Stage
from avcore.errors import CheckpointError, UsageError
from avcore.files import HUB_WEIGHTS, write_text
from avcore.texts import read_json
from netflips.published.catalogue import NOT_STATED
from netflips.published.terms import licence_of
from text2unit.stage import TEXT2UNIT
from unit2av.lipsync.backend import TABLE_FILE
from unit2av.stage import RENDERER, SPEAKER_ENCODER, RendererCheckpoint
from unit2av.voice.named import FILE as VOICES_FILE
from unit2text.stage import UNIT2TEXT
from unit2unit.stage import TRANSLATOR

CARD = "README.md"
_BESIDE_RENDERER = (VOICES_FILE, TABLE_FILE)
"""Files that belong to a renderer and are looked for beside it."""
_ON_HUBS = ("mit", "apache-2.0", "gpl-3.0", "cc-by-4.0", "cc-by-nc-4.0")
"""Licences that hubs know by the keys of our list; any other one is `other` there."""
_TASKS: Final[dict[Stage, str]] = {
    UNIT_ENCODER: "audio-to-audio",
    TRANSLATOR: "translation",
    RENDERER: "text-to-speech",
    SPEAKER_ENCODER: "feature-extraction",
    UNIT2TEXT: "automatic-speech-recognition",
    TEXT2UNIT: "text-to-speech",
}
_DOES: Final[dict[Stage, str]] = {
    UNIT_ENCODER: "It makes discrete units, 50 a second, of speech, of lips, or of both.",
    TRANSLATOR: "It translates units of speech into those of another language, without text.",
    RENDERER: "It makes speech of units, in any speaker's voice, and draws the lips that go with them.",
    SPEAKER_ENCODER: "It makes a vector of a voice, with which a vocoder speaks.",
    UNIT2TEXT: "It reads text off units, or off lips.",
    TEXT2UNIT: "It makes units of text, with their durations.",
}
_LOADED: Final[dict[Stage, str]] = {
    UNIT_ENCODER: """from av2unit.inference import UnitExtractor

extractor = UnitExtractor.from_checkpoint("{file}")
units = extractor.extract(speech)  # float32 [S] at 16 kHz; lips=, uint8 [T, 96, 96] at 25 fps""",
    TRANSLATOR: """from unit2unit.inference import UnitTranslator

translator = UnitTranslator.from_checkpoint("{file}")
translation = translator.translate(units, "{first}", "{last}")  # .units, .score""",
    RENDERER: """from unit2av.inference_unit2a import UnitVocoder
from unit2av.speaker import encoder_for

vocoder = UnitVocoder.from_checkpoint("{file}", language="{last}")
encoder = encoder_for(vocoder)  # the one that comes along; another one's file as "x.onnx"
said = vocoder.synthesize(units, encoder.embed(speech))  # .samples""",
    SPEAKER_ENCODER: """from unit2av.speaker import SpeakerEncoder

vector = SpeakerEncoder.from_checkpoint("{file}").embed(speech)  # of float32 [S] at 16 kHz; float32 [E]""",
    UNIT2TEXT: """from unit2text.inference import UnitReader

transcript = UnitReader.from_checkpoint("{file}").read(units, "{last}")  # .text, .words""",
    TEXT2UNIT: """from text2unit.inference import TextToUnits

units = TextToUnits.from_checkpoint("{file}").units_of(text, "{last}")""",
}
"""Python code that loads and uses each. file: the weights. first, last: of its languages."""
_PLACE = f"FOLDER/{HUB_WEIGHTS}"


def is_model_folder(folder: Path) -> bool:
    """Return whether a folder was completed by `complete_folder`, and is not one of transformers. Raises CheckpointError."""
    path = folder / HUB_CONFIG
    if not path.is_file():
        return False
    content = read_json(path, "the model's configuration", CheckpointError)
    return isinstance(content, dict) and {"format", "kind", "config"} <= content.keys()


def require_folder(folder: Path) -> None:
    """Raise UsageError for a folder with another model's configuration, which would be overwritten."""
    if (folder / HUB_CONFIG).is_file() and not is_model_folder(folder):
        raise UsageError("another model lies there", expected="a new folder", found=str(folder))


def complete_folder(written: Checkpoint, source: Path) -> None:
    """Complete the folder for a hub of a checkpoint that was just written as `FOLDER/model.safetensors`.

    The configuration gets the name that hubs look for, files that belong to a renderer are copied, and a card describes the model.
    source: the file or folder that it was made from, by which the licence is known. Raises OutputError.
    """
    folder, source = written.path.parent, source / HUB_WEIGHTS if source.is_dir() else source
    written.path.with_suffix(".json").replace(folder / HUB_CONFIG)
    beside = _BESIDE_RENDERER if written.stage is RENDERER else ()
    taken = [name for name in beside if source.with_name(name).is_file()]
    for name in taken:
        shutil.copyfile(source.with_name(name), folder / name)
    write_text(folder / CARD, card_of(written, source, taken))


def card_of(checkpoint: Checkpoint, source: Path, taken: list[str]) -> str:
    """Return the card: Markdown with the header that hubs read. taken: files that lie beside the weights."""
    stage, layout = checkpoint.stage, checkpoint.stage.layout
    languages = layout.languages(replace(checkpoint, path=source))  # a bundle knows what its models learnt
    licence = licence_of(source)
    known = licence.key if licence.key in _ON_HUBS else "other"

    header = {
        "library_name": "netflips",
        "pipeline_tag": _TASKS[stage],
        **({"license": known} if licence.title != NOT_STATED else {}),
        **({"language": f"[{', '.join(languages)}]"} if languages else {}),
        "tags": "[speech-to-speech-translation, discrete-units, dubbing]",
    }

    facts = {
        "Languages": ", ".join(languages) or "any",
        "Units": ", ".join(_vocabularies(checkpoint)) or ("none" if stage is SPEAKER_ENCODER else "quantizer not stated"),
        "Speaker encoder": ", ".join(_stated(checkpoint, "speaker_encoder")) if stage is RENDERER else "",
        "Updates of its training": _updates(layout.updates(checkpoint)),
        "Fingerprint": checkpoint.fingerprint,
        "Weights": f"{len(checkpoint.tensors)} tensors, {sum(one.numel() for one in checkpoint.tensors.values()):,} numbers",
        "Beside it": ", ".join(taken),
        "Licence": f"{licence.title}; {licence.allows}" if licence.title != NOT_STATED else "not stated: write it here",
    }

    code = _LOADED[stage].format(file=_PLACE, first=(languages or ["en"])[0], last=(languages or ["ko"])[-1])
    lines = [
        "---",
        *(f"{name}: {value}" for name, value in header.items()),
        "---",
        f"# {stage.kind.capitalize()} of NetfLips",
        "",
        _DOES[stage],
        "",
        *(f"- {name}: {value}" for name, value in facts.items() if value),
        "",
        "```python",
        code,
        "```",
        "",
        f"- Commands: `{stage.flag} {_PLACE}`. Units of another quantizer are refused.",
        "- Back to two files: `netflips convert FOLDER -o x.safetensors`.",
        "",
    ]
    return "\n".join(lines)


def _vocabularies(checkpoint: Checkpoint) -> list[str]:
    """Return the fingerprints of its units' quantizers, each once."""
    if checkpoint.stage is RENDERER:
        return _stated(checkpoint, "vocabulary")
    return [one for one in checkpoint.stage.layout.vocabularies(checkpoint).values() if one]


def _stated(checkpoint: Checkpoint, setting: str) -> list[str]:
    """Return the values of a setting that the voices and the face of a renderer state, each once."""
    renderer = RendererCheckpoint(checkpoint)
    parts = [*map(renderer.vocoder_settings, renderer.languages), renderer.face_settings if renderer.has_face else {}]
    return list(dict.fromkeys(str(one[setting]) for one in parts if one.get(setting)))


def _updates(updates: int | dict[str, int] | None) -> str:
    return ", ".join(f"{name} {one:,}" for name, one in updates.items()) if isinstance(updates, dict) else f"{updates or ''}"
