"""One measurement in a process of its own, so that its peak memory is its own: prints a line of JSON."""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avcore.checkpoint import Kind, read_checkpoint
from avcore.units import Units
from benchmarks import material
from benchmarks.reference.av2unit import ReferenceEncoder
from benchmarks.reference.unit2av import ReferenceFace, ReferenceVocoder
from benchmarks.reference.unit2unit import ReferenceTranslator

Run = Callable[[], object]
STAGES = ("av2unit", "unit2unit", "vocoder", "lips")
BEAM, SOURCE_UNITS = 20, 150
_LANGUAGE, _TARGET = "en", "es"


def ours_av2unit(folder: Path, seconds: float, precision: str) -> Run:
    from av2unit.inference import UnitExtractor

    extractor = UnitExtractor.from_checkpoint(folder / "mavhubert_large_noise.pt", precision=precision)
    speech, lips = material.speech(seconds), material.lips(seconds)
    return lambda: extractor.extract(speech, lips).frames()


def reference_av2unit(folder: Path, seconds: float, precision: str) -> Run:
    from av2unit.features import audio_features, lip_features

    checkpoint = read_checkpoint(folder / "mavhubert_large_noise.pt", Kind.UNIT_ENCODER)
    config, tensors = checkpoint.config["model"], checkpoint.tensors
    width = tensors["feature_extractor_video.resnet.frontend3D.0.weight"].shape[0]
    model = ReferenceEncoder(config, width, len(tensors["label_embs_concat"]))
    model.load_state_dict(tensors)
    model.eval()
    task = checkpoint.config["task"]
    symbols = checkpoint.config["dictionaries"][0]

    def run() -> object:
        video = lip_features(material.lips(seconds), task["image_crop_size"], task["image_mean"], task["image_std"])
        audio = audio_features(material.speech(seconds), task["stack_order_audio"], task["normalize"], len(video))
        classes = model.units(torch.from_numpy(audio).T[None], torch.from_numpy(video).reshape(1, 1, *video.shape[:3]))
        return np.array([int(symbols[index]) for index in classes.tolist()])

    return run


def ours_unit2unit(folder: Path, steps: float, precision: str) -> Run:
    from unit2unit.inference import UnitTranslator
    from unit2unit.translator import SearchConfig

    translator = UnitTranslator.from_checkpoint(folder / "utut_sts_ft.pt", precision=precision)
    search = SearchConfig(beam=BEAM, max_len_b=int(steps), min_len=int(steps))
    units = _source_units()
    return lambda: translator.translate(units, _LANGUAGE, _TARGET, search).tokens


def reference_unit2unit(folder: Path, steps: float, precision: str) -> Run:
    checkpoint = read_checkpoint(folder / "utut_sts_ft.pt", Kind.TRANSLATOR)
    tensors = {k: v for k, v in checkpoint.tensors.items() if not k.endswith(("version", "_float_tensor"))}
    rows = len(tensors["encoder.embed_tokens.weight"])
    model = ReferenceTranslator(rows, checkpoint.config["model"])
    model.load_state_dict(tensors)
    model.eval()
    tags = list(range(1004, rows - 1))
    source = _source_rows().tolist()
    suppressed = [tag for tag in [*tags, rows - 1] if tag != tags[1]]
    return lambda: np.array(model.translate(source, tags[1], suppressed, BEAM, int(steps), int(steps)))


def fairseq_unit2unit(folder: Path, steps: float, precision: str) -> Run:
    from benchmarks.fairseq_generator import prepare

    return prepare(folder, _source_rows(), _TARGET, BEAM, int(steps))


def ours_vocoder(folder: Path, seconds: float, precision: str) -> Run:
    from unit2av.inference_unit2a import UnitVocoder

    vocoder = UnitVocoder.from_checkpoint(folder / "unit_av_renderer_withKO.pt", _LANGUAGE, precision=precision)
    units, voice = material.units(seconds), material.voice(vocoder.speaker_dim)
    return lambda: vocoder.synthesize(units, voice).samples


def reference_vocoder(folder: Path, seconds: float, precision: str) -> Run:
    tensors = read_checkpoint(folder / "unit_av_renderer_withKO.pt", Kind.RENDERER).section(f"audio.{_LANGUAGE}")
    model = ReferenceVocoder(tensors).eval()
    frames = torch.from_numpy(material.units(seconds).frames())
    voice = torch.from_numpy(material.voice(tensors["spkr.weight"].shape[1]))
    return lambda: model(frames, voice).numpy()


def ours_lips(folder: Path, seconds: float, precision: str) -> Run:
    from unit2av.renderer import LipRenderer

    renderer = LipRenderer.from_checkpoint(folder / "unit_av_renderer_withKO.pt", precision=precision)
    units, faces = material.units(seconds), material.faces(seconds)
    return lambda: np.concatenate(list(renderer.render(units, faces)))


def reference_face(folder: Path, seconds: float) -> tuple[ReferenceFace, torch.Tensor, Callable[[], torch.Tensor]]:
    """The model, its windows of units, and what prepares its pictures. Seconds are made up to whole windows."""
    tensors = read_checkpoint(folder / "unit_av_renderer_withKO.pt", Kind.RENDERER).section("video")
    frames = torch.from_numpy(material.units(seconds).frames())
    windows = torch.cat([frames, frames[-1:].expand(-len(frames) % 20)]).view(-1, 20)

    def faces() -> torch.Tensor:
        shown = material.faces(seconds)
        shown = np.concatenate([shown, np.repeat(shown[-1:], 10 * len(windows) - len(shown), axis=0)])
        whole = torch.from_numpy(shown).flip(-1).permute(0, 3, 1, 2).double() / 255
        masked = whole.clone()
        masked[:, :, 48:] = 0
        return torch.cat([masked, whole], 1).float()

    return ReferenceFace(tensors).eval(), windows, faces


def reference_lips(folder: Path, seconds: float, precision: str) -> Run:
    model, windows, faces = reference_face(folder, seconds)

    def run() -> object:
        drawn = model(windows, faces())
        return (drawn * 255).to(torch.uint8).permute(0, 2, 3, 1).flip(-1).numpy()

    return run


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
}


def main() -> None:
    """Load, warm up, time, and print {seconds, cpu_s, load_s, peak_mib}."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stage")
    parser.add_argument("who")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--amount", type=float, required=True, help="seconds of media, or decoder steps for unit2unit")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="no run before the measured ones")
    parser.add_argument("--out", type=Path, help="where to keep the result as .npy, for comparing")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    run = RUNS[options.stage, options.who](options.folder, options.amount, options.precision)
    loaded = time.perf_counter() - started
    result = None if options.cold else run()
    seconds, cpu = [], []
    for _ in range(options.repeat):
        begun, spent = time.perf_counter(), time.process_time()
        result = run()
        seconds.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - spent)
    if options.out is not None:
        np.save(options.out, np.asarray(result))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"seconds": seconds, "cpu_s": cpu, "load_s": loaded, "peak_mib": peak}, sys.stdout)


if __name__ == "__main__":
    main()
