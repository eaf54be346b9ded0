"""The four stages of a dub, ours and the plain baseline: each function loads one side and returns a function that runs it.

device: for ours; the baseline runs on the CPU. Run as a module, it is one side in a process of its own, so that its memory can be
measured; see `benchmarks.stages.SideWorker`.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from av2unit.stage import UNIT_ENCODER as ENCODER_STAGE
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.units import UTUT_LANGUAGES, Units, language_tag
from benchmarks import material
from benchmarks.material import BEAM, KOX_LENGTHS, SENTENCE_STEPS
from benchmarks.reference.av2unit import ReferenceEncoder
from benchmarks.reference.unit2av import ReferenceFace, ReferenceVocoder
from benchmarks.reference.unit2unit import ReferenceTranslator
from recipes.demo.random.random_checkpoints import RENDERER, TRANSLATOR, UNIT_ENCODER
from unit2av.stage import RENDERER as RENDERER_STAGE
from unit2unit.stage import TRANSLATOR as TRANSLATOR_STAGE

if TYPE_CHECKING:
    from av2unit.inference import UnitExtractor
    from unit2av.inference_unit2a import UnitVocoder
    from unit2av.renderer import LipRenderer
    from unit2unit.inference import UnitTranslator


def prepare_generator(folder: Path, source_ids: np.ndarray, target: str, beam: int, steps: int) -> Callable[[], np.ndarray]:
    """Build fairseq's generator; returns a function that runs the search. source_ids: rows, int64 [T]."""
    from fairseq.sequence_generator import SequenceGenerator

    model, symbols = _fairseq_model(folder)
    tag = symbols.index(language_tag(target))
    others = [language_tag(language) for language in UTUT_LANGUAGES if language != target]
    generator = SequenceGenerator(
        [model], symbols, beam_size=beam, max_len_b=steps, min_len=steps, eos=tag, tokens_to_suppress=[*others, "<mask>"]
    )

    tokens = torch.from_numpy(source_ids)[None]
    sample = {"net_input": {"src_tokens": tokens, "src_lengths": torch.tensor([tokens.shape[1]])}}

    def run() -> np.ndarray:
        with torch.no_grad():
            return generator.generate([model], sample, bos_token=tag)[0][0]["tokens"].numpy()

    return run


@cache
def _fairseq_model(folder: Path) -> tuple[torch.nn.Module, Any]:
    """Return fairseq's model with the weights of the checkpoint, and its dictionary."""
    from fairseq import models
    from fairseq.data import Dictionary

    import unit2unit.training.user_dir.utut_plugins  # noqa: F401  registers the architecture

    checkpoint = read_checkpoint(folder / TRANSLATOR, TRANSLATOR_STAGE)
    symbols = Dictionary()
    num_units = len(checkpoint.tensors["encoder.embed_tokens.weight"]) - 5 - len(UTUT_LANGUAGES)
    for symbol in [*map(str, range(num_units)), *map(language_tag, UTUT_LANGUAGES), "<mask>"]:
        symbols.add_symbol(symbol)

    task = argparse.Namespace(source_dictionary=symbols, target_dictionary=symbols, dictionary=symbols)
    options = argparse.Namespace(**checkpoint.config["model"])
    model = models.ARCH_MODEL_REGISTRY["utut_large"].build_model(options, task)
    torch.nn.Module.load_state_dict(model, dict(checkpoint.tensors), strict=False)
    return model.eval(), symbols


Run = Callable[[], object]
_LANGUAGE, _TARGET = "en", "es"


def ours_av2unit(folder: Path, seconds: float, precision: str, device: str = "cpu") -> Run:
    extractor = _extractor(folder, precision, device)
    speech, lips = material.speech(seconds), material.lips(seconds)
    return lambda: extractor.extract(speech, lips).frames()


@cache
def _extractor(folder: Path, precision: str, device: str) -> "UnitExtractor":
    from av2unit.inference import UnitExtractor

    return UnitExtractor.from_checkpoint(folder / UNIT_ENCODER, device, precision)


def reference_av2unit(folder: Path, seconds: float, precision: str) -> Run:
    from av2unit.features import audio_features
    from av2unit.lips import lip_features

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


def ours_unit2unit(folder: Path, steps: float, precision: str, device: str = "cpu") -> Run:
    from avcore.decoding.beam import SearchConfig

    translator = _translator(folder, precision, device)
    # Exactly so many steps: random weights hardly ever end a sentence by themselves.
    search = SearchConfig(beam=BEAM, max_len_b=int(steps), min_len=int(steps))
    units = source_units(steps)
    return lambda: translator.translate(units, _LANGUAGE, _TARGET, search).tokens


@cache
def _translator(folder: Path, precision: str, device: str) -> "UnitTranslator":
    from unit2unit.inference import UnitTranslator

    return UnitTranslator.from_checkpoint(folder / TRANSLATOR, device, precision)


def reference_unit2unit(folder: Path, steps: float, precision: str) -> Run:
    model, rows = _reference_translator(folder)
    tags = list(range(1004, rows - 1))
    source = _source_rows(steps).tolist()
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
    return prepare_generator(folder, _source_rows(steps), _TARGET, BEAM, int(steps))


def ours_vocoder(folder: Path, seconds: float, precision: str, device: str = "cpu") -> Run:
    vocoder = _vocoder(folder, precision, device)
    units, voice = material.units(seconds), material.voice(vocoder.speaker_dim)
    return lambda: vocoder.synthesize(units, voice).samples


@cache
def _vocoder(folder: Path, precision: str, device: str) -> "UnitVocoder":
    from unit2av.inference_unit2a import UnitVocoder

    return UnitVocoder.from_checkpoint(folder / RENDERER, _LANGUAGE, device, precision)


def reference_vocoder(folder: Path, seconds: float, precision: str) -> Run:
    model = _reference_vocoder(folder)
    frames = torch.from_numpy(material.units(seconds).frames())
    voice = torch.from_numpy(material.voice(model.spkr.in_features))
    return lambda: model(frames, voice).numpy()


@cache
def _reference_vocoder(folder: Path) -> ReferenceVocoder:
    tensors = read_checkpoint(folder / RENDERER, RENDERER_STAGE).section(f"audio.{_LANGUAGE}")
    return ReferenceVocoder(tensors).eval()


def ours_lips(folder: Path, seconds: float, precision: str, device: str = "cpu") -> Run:
    renderer = _renderer(folder, precision, device)
    units, faces = material.units(seconds), material.faces(seconds)
    return lambda: np.concatenate(list(renderer.render(units, faces)))


@cache
def _renderer(folder: Path, precision: str, device: str) -> "LipRenderer":
    from unit2av.renderer import LipRenderer

    return LipRenderer.from_checkpoint(folder / RENDERER, device, precision)


def reference_face(folder: Path, seconds: float) -> tuple[ReferenceFace, torch.Tensor, Callable[[], torch.Tensor]]:
    """Return the model, its windows of units, int64 [W, 20], and a function that prepares its frames, float32 [10 * W, 6, 96, 96]
    in 0..1. Seconds are rounded up to whole windows.
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

    return reference_face_model(folder), windows, faces


@cache
def reference_face_model(folder: Path) -> ReferenceFace:
    return ReferenceFace(read_checkpoint(folder / RENDERER, RENDERER_STAGE).section("video")).eval()


def reference_lips(folder: Path, seconds: float, precision: str) -> Run:
    model, windows, faces = reference_face(folder, seconds)

    def run() -> object:
        drawn = model(windows, faces())
        return (drawn * 255).to(torch.uint8).permute(0, 2, 3, 1).flip(-1).numpy()

    return run


def source_units(steps: float) -> Units:
    """Return a source as long as Ko-X's sources are for a target of `steps` units."""
    pairs = sorted([*((korean, english) for english, korean in KOX_LENGTHS.values()), (SENTENCE_STEPS, SENTENCE_STEPS)])
    length = round(np.interp(steps, *zip(*pairs, strict=True)))
    return Units(np.random.default_rng(3).permutation(1000)[:length].astype(np.int64), np.full(length, 3))


def _source_rows(steps: float) -> NDArray[np.int64]:
    """Return the rows of the encoder's input: <s>, units from row 4, </s>, [en]."""
    return np.array([0, *(source_units(steps).merged().ids + 4), 2, 1004], dtype=np.int64)


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


def reset_peak() -> None:
    """Reset the peak of memory, where the system supports it."""
    with suppress(OSError):
        # proc(5): writing 5 resets VmHWM.
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Return the peak of memory since the last reset, or since the start, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(run: Run, out: Path | None, device: str = "cpu") -> dict[str, float]:
    """Run once; returns seconds and peak memory, on a GPU that of the GPU, too."""
    reset_peak()
    begun, spent = time.perf_counter(), time.process_time()
    result = run()
    found = {"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - spent, "peak_mib": peak_mib()}

    if device != "cpu":
        found["gpu_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
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
    parser.add_argument("--device", default="cpu", help="of ours")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    more = [options.device] if options.who == "ours" else []
    prepare = RUNS[options.stage, options.who]

    for line in sys.stdin:
        asked = json.loads(line)
        run = prepare(options.folder, asked["amount"], options.precision, *more)
        found = timed(run, asked.get("out") and Path(asked["out"]), options.device)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
