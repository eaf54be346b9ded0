"""The card of a model for a hub: what it is, what it was made from and with, how well it did, and what may be done with it.

What the folder of a training run knows, the card knows: its settings and starts, the report of its pairs, its scores.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Checkpoint, Stage, shipped_bundle
from avcore.errors import NetflipsError
from avcore.files import HUB_WEIGHTS
from avcore.journal import read
from avcore.texts import read_json, read_yaml
from avcore.train.config import CONFIG_FILE, STARTS_FILE
from netflips.published.catalogue import NOT_STATED
from netflips.published.terms import licence_of
from text2unit.stage import TEXT2UNIT
from unit2av.stage import RENDERER, SPEAKER_ENCODER, RendererCheckpoint
from unit2text.stage import UNIT2TEXT
from unit2unit.stage import TRANSLATOR

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


_AV_HUBERT = "av-hubert"
AV_HUBERT_NOTICE = "AV-HuBERT is licensed under the AV-HuBERT license, Copyright (c) Meta Platforms, Inc. All Rights Reserved."
"""What section 3 of that licence asks for in copies and in what derives from it."""
_REACHES = (
    "AV-HuBERT's licence allows non-commercial research only, and reaches what its software produces (section 2a): units, and "
    "models that are trained on them. Put its text beside this card as LICENSE, from github.com/facebookresearch/av_hubert."
)
_PAPERS = "NetfLips: textless audio-visual dubbing. The papers that it stands on: docs/model_card.md, References."
_SETTINGS = {
    "seed": "seed", "lr": "rate", "optimizer": "optimizer", "update_tokens": "tokens an update", "max_update": "updates at most",
    "max_steps": "updates at most", "text_weight": "weight of texts",
}  # fmt: skip
"""Settings of a run that the card names, and what it calls them."""


@dataclass(frozen=True)
class RunFacts:
    """What the folder of a training run knows of a checkpoint in it."""

    folder: Path | None
    """None = the checkpoint lies in no run's folder"""

    @classmethod
    def of(cls, checkpoint: Path) -> "RunFacts":
        """Return what is known of a file: of `RUN/checkpoints/x.pt`, or of one that lies in a run's folder itself."""
        places = (checkpoint.resolve().parent.parent, checkpoint.resolve().parent)
        return cls(next((place for place in places if (place / CONFIG_FILE).is_file() and (place / STARTS_FILE).is_file()), None))

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The run's settings; {} if it is none, or they cannot be read."""
        if self.folder is None:
            return {}
        with suppress(NetflipsError):
            found = read_yaml(self.folder / CONFIG_FILE, "the run's settings")
            return found if isinstance(found, Mapping) else {}
        return {}

    @property
    def begun_from(self) -> Path | None:
        """The checkpoint that the run began from."""
        init = self.settings.get("init")
        start = init.get("checkpoint") if isinstance(init, Mapping) else init
        start = start or _nested(self.settings, "loop").get("resume")
        return Path(str(start)) if start and start not in ("auto", "never") else None

    @property
    def command(self) -> str:
        """The command of its last start, without the folders of the machine."""
        starts = [] if self.folder is None else list(read(self.folder / STARTS_FILE))
        words = str(starts[-1].get("command", "")).split() if starts else []
        return " ".join(_without_folders(word) for word in words)

    @property
    def made_with(self) -> str:
        """Versions and commit of its last start."""
        starts = [] if self.folder is None else list(read(self.folder / STARTS_FILE))
        last = starts[-1] if starts else {}
        named = {"NetfLips": "netflips", "commit": "commit", "torch": "torch", "processes": "processes", "on": "time"}
        return ", ".join(f"{name} {last[key]}" for name, key in named.items() if last.get(key))

    def data(self) -> Iterator[str]:
        """Yield a line for each split of its pairs, or one for each corpus."""
        folder = Path(str(self.settings.get("data_dir") or ""))
        if (folder / "data.json").is_file():
            with suppress(NetflipsError, AttributeError):
                for split, counts in read_json(folder / "data.json", "the report of the pairs")["splits"].items():
                    yield f"{split}: " + ", ".join(f"{number:,} {what}" for what, number in counts.items())
            return
        for name, value in _nested(self.settings, "data").items():
            if isinstance(value, str) and "/" in value:
                yield f"{name}: {_without_folders(value)}"

    def scores(self) -> Iterator[str]:
        """Yield the rows of a table of what was measured of its test split."""
        for path in [] if self.folder is None else (self.folder / "translate.json", self.folder / "asr_bleu" / "metrics.json"):
            with suppress(NetflipsError, KeyError, TypeError):
                content = read_json(path, "the scores")
                if "rows" not in content:
                    ends = content.get("unit_error_rate_interval") or {}
                    interval = f" ({ends['low']} to {ends['high']})" if ends else ""
                    yield f"| unit error rate | {content['unit_error_rate']}{interval} | {content['utterances']} |"
                    yield f"| BLEU of units | {content['bleu']} | {content['utterances']} |"
                for row in content.get("rows", ()):
                    if row.get("subject") == "dub" and "value" in row:
                        interval = f" ({row['low']:.2f} to {row['high']:.2f})" if "low" in row else ""
                        yield f"| {row['figure']} | {row['value']:.2f}{interval} | {row.get('n', '')} |"


def _nested(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = settings.get(name)
    return found if isinstance(found, Mapping) else {}


def _without_folders(word: str) -> str:
    """Return a word of a command with the last two parts of each path: a card tells of nobody's folders."""
    key, sign, value = word.rpartition("=")
    path = Path(value)
    return f"{key}{sign}{'/'.join(path.parts[-2:])}" if path.is_absolute() else word


def _chosen(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings that the card names, wherever they stand."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _chosen(value)
        elif name in _SETTINGS and value not in (None, "", 0, 0.0):
            yield f"{_SETTINGS[name]} {value}"


def _begun_from(start: Path | None) -> str:
    """Return a line on the checkpoint that a run began from, and on its licence."""
    if start is None:
        return ""
    name = start.name
    with suppress(NetflipsError):  # it may be gone
        name = str(read_checkpoint(start, None).config.get("task", {}).get("begun_from") or name)
    licence = licence_of(start.with_name(name))
    terms = f"licence: {licence.title}; {licence.allows}" if licence.key else "licence not stated: name it"
    return f"{name} ({terms})"


def of_av_hubert(checkpoint: Checkpoint, source: Path) -> bool | None:
    """Return whether a model is AV-HuBERT's, or was trained on its units; None = nobody can say.

    The units of the bundle that comes along are not: its encoder was trained from nothing.
    """
    licence = licence_of(source)
    if licence.key in (_AV_HUBERT, "av2av"):
        return True
    if licence.title != NOT_STATED or checkpoint.stage is SPEAKER_ENCODER:
        return False
    bundle = shipped_bundle()
    encoder = None if bundle is None else bundle / UNIT_ENCODER.file
    free = "" if encoder is None or not encoder.is_file() else str(read_checkpoint(encoder, UNIT_ENCODER).config.get("vocabulary"))
    named = _vocabularies(checkpoint)
    return False if named and set(named) == {free} else None


def _licences(checkpoint: Checkpoint, source: Path, licence: str) -> Iterator[str]:
    """Yield the lines on what may be done with a model. licence: of the file itself, in words."""
    yield f"- Licence: {licence}"
    known = of_av_hubert(checkpoint, source)
    if known is False:
        return
    sure = "" if known else "Unless its units are of an encoder that is not AV-HuBERT's (`mavhubert_large_noise.pt` is): "
    yield f"- {sure}{_REACHES}"
    yield f"- {AV_HUBERT_NOTICE}"


def card_of(checkpoint: Checkpoint, source: Path, taken: list[str]) -> str:
    """Return the card: Markdown with the header that hubs read. taken: files that lie beside the weights."""
    stage, layout = checkpoint.stage, checkpoint.stage.layout
    languages = layout.languages(replace(checkpoint, path=source))  # a bundle knows what its models learnt
    licence, run = licence_of(source), RunFacts.of(source)
    known = licence.key if licence.key in _ON_HUBS else "other"
    is_stated = licence.title != NOT_STATED
    reaches = of_av_hubert(checkpoint, source)

    header = {
        "library_name": "netflips",
        "pipeline_tag": _TASKS[stage],
        **({"license": known} if is_stated or reaches else {}),
        **({"license_name": _AV_HUBERT} if reaches and licence.key in ("", _AV_HUBERT) else {}),
        **({"language": f"[{', '.join(languages)}]"} if languages else {}),
        "tags": "[speech-to-speech-translation, discrete-units, dubbing]",
    }

    facts = {
        "Languages": ", ".join(languages) or "any",
        "Units": ", ".join(_vocabularies(checkpoint)) or ("none" if stage is SPEAKER_ENCODER else "quantizer not stated"),
        "Speaker encoder": ", ".join(_stated(checkpoint, "speaker_encoder")) if stage is RENDERER else "",
        "Base model": _begun_from(run.begun_from) or ("none: trained from nothing" if run.folder else ""),
        "Updates of its training": _updates(layout.updates(checkpoint)),
        "Training": ", ".join(dict.fromkeys(_chosen(run.settings))),
        "Made with": run.made_with,
        "Fingerprint": checkpoint.fingerprint,
        "Weights": f"{len(checkpoint.tensors)} tensors, {sum(tensor.numel() for tensor in checkpoint.tensors.values()):,} numbers",
        "Beside it": ", ".join(taken),
    }
    written = f"{licence.title}; {licence.allows}" if is_stated else "not stated: write it here"

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
        *_licences(checkpoint, source, written),
        "",
        *_part("Data", [f"- {line}" for line in run.data()]),
        *_part("Scores of the test split", ["| figure | value (95 % interval) | n |", "| --- | --- | --- |"], list(run.scores())),
        *_part("Trained by", ["```", run.command, "```"] if run.command else []),
        "```python",
        code,
        "```",
        "",
        f"- Commands: `{stage.flag} {_PLACE}`. Units of another quantizer are refused.",
        "- Back to two files: `netflips convert FOLDER -o x.safetensors`.",
        f"- Cite {_PAPERS}",
        "",
    ]
    return "\n".join(lines)


def _part(title: str, lines: list[str], body: list[str] | None = None) -> list[str]:
    """Return a heading with its lines; nothing where there is nothing to say. body: what the lines stand before."""
    said = lines if body is None else [*lines, *body] if body else []
    return [f"## {title}", "", *said, ""] if said else []


def _vocabularies(checkpoint: Checkpoint) -> list[str]:
    """Return the fingerprints of its units' quantizers, each once."""
    if checkpoint.stage is RENDERER:
        return _stated(checkpoint, "vocabulary")
    return [vocabulary for vocabulary in checkpoint.stage.layout.vocabularies(checkpoint).values() if vocabulary]


def _stated(checkpoint: Checkpoint, setting: str) -> list[str]:
    """Return the values of a setting that the voices and the face of a renderer state, each once."""
    renderer = RendererCheckpoint(checkpoint)
    parts = [*map(renderer.vocoder_settings, renderer.languages), renderer.face_settings if renderer.has_face else {}]
    return list(dict.fromkeys(str(part[setting]) for part in parts if part.get(setting)))


def _updates(updates: int | dict[str, int] | None) -> str:
    return ", ".join(f"{name} {one:,}" for name, one in updates.items()) if isinstance(updates, dict) else f"{updates or ''}"
