"""One side of a stage in a process of its own, so that its memory is its own; see `benchmarks.sides.Worker`."""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from av2unit.stage import UNIT_ENCODER as ENCODER_STAGE
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.timeline import seconds_to_units
from avcore.units import Units
from benchmarks import material
from benchmarks.reference.av2unit import ReferenceEncoder
from benchmarks.reference.text2unit import ReferenceSpeller
from benchmarks.reference.unit2av import ReferenceFace, ReferenceVocoder
from benchmarks.reference.unit2text import ReferenceReader
from benchmarks.reference.unit2unit import ReferenceTranslator
from benchmarks.rows import BEAM, TEXT_TOKENS_PER_PICTURE
from text2unit.stage import SPELLER as SPELLER_STAGE
from unit2av.stage import RENDERER as RENDERER_STAGE
from unit2text.stage import TEXT_READER as READER_STAGE
from unit2unit.stage import TRANSLATOR as TRANSLATOR_STAGE
from workshop.random.random_checkpoints import RENDERER, SPELLER, TEXT_READER, TRANSLATOR, UNIT_ENCODER

if TYPE_CHECKING:
    from av2unit.inference import UnitExtractor
    from text2unit.inference import TextSpeller
    from unit2av.inference_unit2a import UnitVocoder
    from unit2av.renderer import LipRenderer
    from unit2text.config import ReaderConfig
    from unit2text.inference import UnitReader
    from unit2text.search import ReadOptions
    from unit2text.vocabulary import TextVocabulary
    from unit2unit.inference import UnitTranslator

Run = Callable[[], object]
SOURCE_UNITS = 150
_LANGUAGE, _TARGET = "en", "es"


def ours_av2unit(folder: Path, seconds: float, precision: str) -> Run:
    extractor = _extractor(folder, precision)
    speech, lips = material.speech(seconds), material.lips(seconds)
    return lambda: extractor.extract(speech, lips).frames()


@cache
def _extractor(folder: Path, precision: str) -> "UnitExtractor":
    from av2unit.inference import UnitExtractor

    return UnitExtractor.from_checkpoint(folder / UNIT_ENCODER, precision=precision)


def reference_av2unit(folder: Path, seconds: float, precision: str) -> Run:
    from av2unit.features import audio_features, lip_features

    model, task, symbols = _reference_encoder(folder)
    speech, lips = material.speech(seconds), material.lips(seconds)

    def run() -> object:
        video = lip_features(lips, task["image_crop_size"], task["image_mean"], task["image_std"])
        audio = audio_features(speech, task["stack_order_audio"], task["normalize"], len(video))
        classes = model.units(torch.from_numpy(audio).T[None], torch.from_numpy(video).reshape(1, 1, *video.shape[:3]))
        return np.array([int(symbols[index]) for index in classes.tolist()])

    return run


@cache
def _reference_encoder(folder: Path) -> tuple[ReferenceEncoder, dict, list[str]]:
    checkpoint = read_checkpoint(folder / UNIT_ENCODER, ENCODER_STAGE)
    config, tensors = checkpoint.config["model"], checkpoint.tensors
    width = tensors["feature_extractor_video.resnet.frontend3D.0.weight"].shape[0]
    model = ReferenceEncoder(config, width, len(tensors["label_embs_concat"]))
    model.load_state_dict(tensors)
    return model.eval(), checkpoint.config["task"], checkpoint.config["dictionaries"][0]


def ours_unit2unit(folder: Path, steps: float, precision: str) -> Run:
    from unit2unit.translator import SearchConfig

    translator = _translator(folder, precision)
    search = SearchConfig(beam=BEAM, max_len_b=int(steps), min_len=int(steps))
    units = _source_units()
    return lambda: translator.translate(units, _LANGUAGE, _TARGET, search).tokens


@cache
def _translator(folder: Path, precision: str) -> "UnitTranslator":
    from unit2unit.inference import UnitTranslator

    return UnitTranslator.from_checkpoint(folder / TRANSLATOR, precision=precision)


def reference_unit2unit(folder: Path, steps: float, precision: str) -> Run:
    model, rows = _reference_translator(folder)
    tags = list(range(1004, rows - 1))
    source = _source_rows().tolist()
    suppressed = [tag for tag in [*tags, rows - 1] if tag != tags[1]]
    return lambda: np.array(model.translate(source, tags[1], suppressed, BEAM, int(steps), int(steps)))


@cache
def _reference_translator(folder: Path) -> tuple[ReferenceTranslator, int]:
    checkpoint = read_checkpoint(folder / TRANSLATOR, TRANSLATOR_STAGE)
    tensors = {k: v for k, v in checkpoint.tensors.items() if not k.endswith(("version", "_float_tensor"))}
    rows = len(tensors["encoder.embed_tokens.weight"])
    model = ReferenceTranslator(rows, checkpoint.config["model"])
    model.load_state_dict(tensors)
    return model.eval(), rows


def fairseq_unit2unit(folder: Path, steps: float, precision: str) -> Run:
    from benchmarks.fairseq_generator import prepare

    return prepare(folder, _source_rows(), _TARGET, BEAM, int(steps))


def ours_vocoder(folder: Path, seconds: float, precision: str) -> Run:
    vocoder = _vocoder(folder, precision)
    units, voice = material.units(seconds), material.voice(vocoder.speaker_dim)
    return lambda: vocoder.synthesize(units, voice).samples


@cache
def _vocoder(folder: Path, precision: str) -> "UnitVocoder":
    from unit2av.inference_unit2a import UnitVocoder

    return UnitVocoder.from_checkpoint(folder / RENDERER, _LANGUAGE, precision=precision)


def reference_vocoder(folder: Path, seconds: float, precision: str) -> Run:
    model = _reference_vocoder(folder)
    frames = torch.from_numpy(material.units(seconds).frames())
    voice = torch.from_numpy(material.voice(model.spkr.in_features))
    return lambda: model(frames, voice).numpy()


@cache
def _reference_vocoder(folder: Path) -> ReferenceVocoder:
    tensors = read_checkpoint(folder / RENDERER, RENDERER_STAGE).section(f"audio.{_LANGUAGE}")
    return ReferenceVocoder(tensors).eval()


def ours_lips(folder: Path, seconds: float, precision: str) -> Run:
    renderer = _renderer(folder, precision)
    units, faces = material.units(seconds), material.faces(seconds)
    return lambda: np.concatenate(list(renderer.render(units, faces)))


@cache
def _renderer(folder: Path, precision: str) -> "LipRenderer":
    from unit2av.renderer import LipRenderer

    return LipRenderer.from_checkpoint(folder / RENDERER, precision=precision)


def reference_face(folder: Path, seconds: float) -> tuple[ReferenceFace, torch.Tensor, Callable[[], torch.Tensor]]:
    """The model, its windows of units int64 [W, 20], and what prepares its pictures, float32 [10 * W, 6, 96, 96] in 0..1.

    Seconds are made up to whole windows.
    """
    frames = torch.from_numpy(material.units(seconds).frames())
    windows = torch.cat([frames, frames[-1:].expand(-len(frames) % 20)]).view(-1, 20)
    shown = material.faces(seconds)
    shown = np.concatenate([shown, np.repeat(shown[-1:], 10 * len(windows) - len(shown), axis=0)])

    def faces() -> torch.Tensor:
        whole = torch.from_numpy(shown).flip(-1).permute(0, 3, 1, 2).double() / 255
        masked = whole.clone()
        masked[:, :, 48:] = 0
        return torch.cat([masked, whole], 1).float()

    return _reference_face(folder), windows, faces


@cache
def _reference_face(folder: Path) -> ReferenceFace:
    return ReferenceFace(read_checkpoint(folder / RENDERER, RENDERER_STAGE).section("video")).eval()


def reference_lips(folder: Path, seconds: float, precision: str) -> Run:
    model, windows, faces = reference_face(folder, seconds)

    def run() -> object:
        drawn = model(windows, faces())
        return (drawn * 255).to(torch.uint8).permute(0, 2, 3, 1).flip(-1).numpy()

    return run


def ours_unit2text(folder: Path, seconds: float, precision: str) -> Run:
    reader, options = _reader(folder, precision)
    lips = material.lips(seconds)
    return lambda: _as_codes(reader.read(lips, _LANGUAGE, options).text)


@cache
def _reader(folder: Path, precision: str) -> "tuple[UnitReader, ReadOptions]":
    from avcore.decoding.beam import SearchConfig
    from unit2text.inference import UnitReader
    from unit2text.search import ReadOptions

    search = SearchConfig(beam=BEAM, max_len_a=TEXT_TOKENS_PER_PICTURE, max_len_b=0, lenpen=0.0)
    return UnitReader.from_checkpoint(folder / TEXT_READER, precision=precision), ReadOptions(search)


def reference_unit2text(folder: Path, seconds: float, precision: str) -> Run:
    from av2unit.features import lip_features

    model, task, start, text = _reference_reader(folder)
    pictures = material.lips(seconds)

    def run() -> object:
        video = lip_features(pictures, task["image_crop_size"], task["image_mean"], task["image_std"])
        video = torch.from_numpy(video).reshape(1, 1, *video.shape[:3])
        return _as_codes(text.decode(model.read(video, 0, start, BEAM, TEXT_TOKENS_PER_PICTURE)))

    return run


@cache
def _reference_reader(folder: Path) -> "tuple[ReferenceReader, dict, int, TextVocabulary]":
    from unit2text.config import ReaderConfig
    from unit2text.vocabulary import TextVocabulary

    checkpoint = read_checkpoint(folder / TEXT_READER, READER_STAGE)
    config, tensors = ReaderConfig.from_checkpoint(checkpoint), checkpoint.tensors
    assert config.lips is not None
    front = tensors["encoder.w2v_model.feature_extractor_video.resnet.frontend3D.0.weight"]
    layers = config.encoder
    sizes = {
        "ffn": layers.encoder_ffn_embed_dim, "heads": layers.encoder_attention_heads, "layers": layers.encoder_layers,
        "kernel": layers.conv_pos, "groups": layers.conv_pos_groups,
    }  # fmt: skip
    model = ReferenceReader(asdict(config.lips.encoder), _decoder_of(config), config.num_rows, front.shape[0], sizes)
    known = model.state_dict()
    model.load_state_dict({name: tensor for name, tensor in tensors.items() if name in known})
    return model.eval(), asdict(config.lips), config.start(_LANGUAGE), TextVocabulary.from_checkpoint(checkpoint)


def _decoder_of(config: "ReaderConfig") -> dict:
    decoder = config.decoder
    return {
        "decoder_embed_dim": decoder.dim, "decoder_ffn_embed_dim": decoder.ffn_dim, "decoder_attention_heads": decoder.num_heads,
        "decoder_layers": decoder.num_layers,
    }  # fmt: skip


def _as_codes(text: str) -> NDArray[np.int64]:
    return np.array([ord(letter) for letter in text], dtype=np.int64)


def ours_text2unit(folder: Path, seconds: float, precision: str) -> Run:
    speller, text = _speller(folder, precision), material.text(seconds)
    return lambda: speller.units_of(text).frames()


@cache
def _speller(folder: Path, precision: str) -> "TextSpeller":
    from text2unit.inference import TextSpeller

    return TextSpeller.from_checkpoint(folder / SPELLER, precision=precision)


def reference_text2unit(folder: Path, seconds: float, precision: str) -> Run:
    from text2unit.jamo import letters_of
    from text2unit.script import ends_softly, script_of
    from text2unit.speller import PAUSE_S, SHORT_PAUSE_S

    model, text = _reference_speller(folder), material.text(seconds)

    def run() -> object:
        frames: list[NDArray[np.int64]] = []
        for sentence in script_of(text).sentences:
            frames.append(model.say(torch.from_numpy(letters_of(sentence))).numpy())
            frames.append(np.zeros(seconds_to_units(SHORT_PAUSE_S if ends_softly(sentence) else PAUSE_S), np.int64))
        return np.concatenate(frames[:-1])

    return run


@cache
def _reference_speller(folder: Path) -> ReferenceSpeller:
    checkpoint = read_checkpoint(folder / SPELLER, SPELLER_STAGE)
    model = ReferenceSpeller(checkpoint.config["model"])
    model.load_state_dict(checkpoint.tensors)
    return model.eval()


def _source_units() -> Units:
    return material.units(SOURCE_UNITS * 3 / 50)


def _source_rows() -> NDArray[np.int64]:
    """Rows of the encoder's input: <s>, units from row 4, </s>, [en]."""
    return np.array([0, *(_source_units().merged().ids + 4), 2, 1004], dtype=np.int64)


RUNS = {
    ("av2unit", "ours"): ours_av2unit,
    ("av2unit", "reference"): reference_av2unit,
    ("unit2unit", "ours"): ours_unit2unit,
    ("unit2unit", "reference"): reference_unit2unit,
    ("unit2unit", "fairseq"): fairseq_unit2unit,
    ("vocoder", "ours"): ours_vocoder,
    ("vocoder", "reference"): reference_vocoder,
    ("lips", "ours"): ours_lips,
    ("lips", "reference"): reference_lips,
    ("unit2text", "ours"): ours_unit2text,
    ("unit2text", "reference"): reference_unit2text,
    ("text2unit", "ours"): ours_text2unit,
    ("text2unit", "reference"): reference_text2unit,
}


def reset_peak() -> None:
    """Count the peak of memory from now on, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Most memory since the last reset, or since the start."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(run: Run, out: Path | None) -> dict[str, float]:
    """Run once; its seconds and its peak memory."""
    reset_peak()
    begun, spent = time.perf_counter(), time.process_time()
    result = run()
    found = {"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - spent, "peak_mib": peak_mib()}
    if out is not None:
        np.save(out, np.asarray(result))
    return found


def main() -> None:
    """Load one side of a stage; then run it for each line of input, {amount, out}, and print what it took as a line of JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stage")
    parser.add_argument("who")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    prepare = RUNS[options.stage, options.who]
    for line in sys.stdin:
        asked = json.loads(line)
        found = timed(prepare(options.folder, asked["amount"], options.precision), asked.get("out") and Path(asked["out"]))
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
