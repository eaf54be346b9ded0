"""What is tried: a damaged file among good ones, and a command that is given it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.material import ENCODER, OWN, SOUNDS, SPEAKER, TRANSLATOR, VIDEOS, VOICES
from tests.fuzz.mutations import BYTES, JSON, TEXT, Mutation, other_number, other_text
from tests.netflips.conftest import config

GOOD = "{good}"
"""In a command: the folder of good files."""
_QUIET = ("--quiet", "--cpu")


@dataclass(frozen=True)
class Target:
    """One kind of input. kind: row of the table. source: the good file. name: of the damaged one, "" = the same.

    command: as for `netflips`, or a module with `main`. beside: good files that lie beside it. outputs: what the command may
    leave behind. weight: how often it is tried. codes: exit codes that are in order. is_telling: what was damaged must show, so
    another result without a word is a fault.
    """

    kind: str
    source: str
    command: tuple[str, ...]
    mutations: tuple[Mutation, ...]
    beside: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    weight: int = 4
    codes: tuple[int, ...] = (0, 2)
    is_telling: bool = False
    name: str = ""

    @property
    def damaged(self) -> str:
        return self.name or self.source


@dataclass(frozen=True)
class Case:
    """A trial. name: how it is found again. files: content by name, what a command is run beside. words: that must be said."""

    kind: str
    name: str
    command: tuple[str, ...]
    files: Mapping[str, bytes | Path] = field(repr=False)
    outputs: tuple[str, ...] = ()
    codes: tuple[int, ...] = (0, 2)
    is_telling: bool = False
    target: int = -1
    words: str = ""


def _units(path: str, encoder: str = f"{GOOD}/{ENCODER}") -> tuple[str, ...]:
    return ("units", "--in-vid-path", path, "--out-unit-path", "o.txt", "--av2unit-path", encoder, "--modalities", "audio", *_QUIET)


def _translate(path: str, translator: str = f"{GOOD}/{TRANSLATOR}") -> tuple[str, ...]:
    return (
        "translate", "--in-unit-path", path, "--out-unit-path", "o.txt", "--utut-path", translator, "--src-lang", "en",
        "--tgt-lang", "ko", "--beam", "2", "--max-target-units", "30", *_QUIET,
    )  # fmt: skip


def _speak(units: str, voice: str, voices: str = f"{GOOD}/{VOICES}", speaker: str = f"{GOOD}/{SPEAKER}") -> tuple[str, ...]:
    return (
        "speak", "--in-unit-path", units, "--voice", voice, "--out", "o.wav", "--tgt-lang", "ko",
        "--unit2av-path", voices, "--speaker-encoder-path", speaker, *_QUIET,
    )  # fmt: skip


def dub(video: str, *more: str) -> tuple[str, ...]:
    return (
        "dub", "--in-vid-path", video, "--out-vid-path", "o.mp4", "--report", "o.json", "--src-lang", "en", "--tgt-lang", "ko",
        "--av2unit-path", f"{GOOD}/{ENCODER}", "--utut-path", f"{GOOD}/{TRANSLATOR}", "--unit2av-path", f"{GOOD}/{VOICES}",
        *config(speaker_encoder_path=f"{GOOD}/{SPEAKER}"), "--beam", "2", "--max-target-units", "30", "--yes", *_QUIET, *more,
    )  # fmt: skip


_MP4 = f"{GOOD}/x.mp4"
_DUBBED = ("o.mp4", "o.json", "o.mp4.work")
_SOURCE = ("--timing", "source", "--voice", f"{GOOD}/voice.npy")


def _media() -> Iterator[Target]:
    for name in (*VIDEOS, *SOUNDS):
        yield Target("media: sound", name, _units(name), BYTES, outputs=("o.txt",))
        yield Target("media: info", name, ("info", name), BYTES, weight=2)
        yield Target("media: voice", name, _speak(f"{GOOD}/units.txt", name), BYTES, outputs=("o.wav",), weight=1)
    for name in VIDEOS:
        yield Target("media: dub", name, dub(name, "--timing", "free"), BYTES, outputs=_DUBBED, weight=1)
        yield Target("media: dub", name, dub(name, *_SOURCE), BYTES, outputs=_DUBBED, weight=1)


def _checkpoints() -> Iterator[Target]:
    for published, own in {**OWN, SPEAKER: SPEAKER}.items():
        for name, kind in ((published, ".pt"), (own, ".safetensors"))[: 1 if own == published else 2]:
            beside = () if kind == ".pt" else (name.replace(".safetensors", ".json"),)
            command, output = _with_checkpoint(published, name)
            row = f"checkpoint: {kind}"
            yield Target(row, name, command, BYTES, beside, (output,), 6, is_telling=True)
            yield Target(row, name, ("info", name), BYTES, beside, weight=2)
            if beside:
                yield Target("checkpoint: .json", beside[0], command, JSON, (name,), (output,), 20)
                yield Target("checkpoint: .json", beside[0], ("info", name), JSON, (name,), weight=4)
    yield Target("checkpoint: bundle", "bundle/bundle.json", ("info", "bundle"), JSON, weight=12, name="bundle/bundle.json")


def _with_checkpoint(kind: str, name: str) -> tuple[tuple[str, ...], str]:
    """A command that reads a checkpoint, and what it writes."""
    if kind == ENCODER:
        return _units(f"{GOOD}/x.wav", name), "o.txt"
    if kind == TRANSLATOR:
        return _translate(f"{GOOD}/units.txt", name), "o.txt"
    if kind == VOICES:
        return _speak(f"{GOOD}/units.txt", f"{GOOD}/voice.npy", name), "o.wav"
    return _speak(f"{GOOD}/units.txt", f"{GOOD}/voice.wav", speaker=name), "o.wav"


def _texts() -> Iterator[Target]:
    yield Target("text: units", "units.txt", _translate("units.txt"), TEXT, outputs=("o.txt",), weight=10)
    yield Target("text: units", "units.txt", _speak("units.txt", f"{GOOD}/voice.npy"), TEXT, outputs=("o.wav",), weight=10)
    told = dub(_MP4, *_SOURCE, "--script-in", "script.json")
    yield Target("text: script", "script.json", told, JSON, ("voice.wav",), _DUBBED, 20)
    told = dub(_MP4, *_SOURCE, "--script-in", "subtitles.srt")
    yield Target("text: subtitles", "subtitles.srt", told, TEXT, outputs=_DUBBED, weight=8)
    manifest = ("manifest.jsonl", "x.wav")
    validate = ("manifest", "validate", "manifest.jsonl", "--quiet")
    yield Target("text: manifest", "manifest.jsonl", validate, JSON, manifest[1:], (), 14, (0, 1, 2))
    yield Target("text: manifest", "manifest.jsonl", ("manifest", "stats", "manifest.jsonl"), JSON, manifest[1:], (), 8)
    to_unit2a = ("manifest", "to-unit2a", "manifest.jsonl", "--units", "units.jsonl", "-o", "o.txt", "--quiet")
    yield Target("text: manifest", "manifest.jsonl", to_unit2a, JSON, ("x.wav", "units.jsonl"), ("o.txt", "o_units"), 10)
    yield Target("text: unit rows", "units.jsonl", to_unit2a, JSON, manifest, ("o.txt", "o_units"), 14)
    prepare = ("unit2unit.utut_pretrain.prepare", "--units", "en=units.jsonl", f"ko={GOOD}/units_ko.jsonl", "--out", "o")
    prepare += ("--valid", "1", "--test", "1", "--quiet")
    yield Target("text: unit rows", "units.jsonl", prepare, JSON, (), ("o",), 14)
    published = ("manifest", "from-unit2a", "train.txt", "-o", "o.jsonl", "--quiet")
    yield Target("text: published", "train.txt", published, TEXT, ("x.wav",), ("o.jsonl",), 10)
    train = ("av2unit.train", "--config-name", "av2unit/train_debug", "data.train=train.tsv", "data.train_labels=[train.km]")
    train += ("data.label_rate=50", "data.dictionaries=[dict.km.txt]", "run_dir=o", "check_only=true", "--quiet")
    beside = ("train.tsv", "train.km", "dict.km.txt")
    for name in beside:
        others = tuple(one for one in beside if one != name)
        yield Target("text: labels", name, train, TEXT, others, ("o",), 6)
    layout = ("avcore.data.prepare.kox", "--data-root", f"{GOOD}/bundle", "--out-dir", "o", "--layout", "kox.yaml", "--quiet")
    yield Target("text: yaml", "kox.yaml", layout, TEXT, (), ("o",), 12)
    shown = ("av2unit.train", "--config-name", "train_debug", "--config-dir", ".", "--cfg", "job", "run_dir=o", "data.train=x")
    shown += ("data.train_labels=[y]",)
    yield Target("text: yaml", "train_debug.yaml", shown, TEXT, (), (), 12)


def _others() -> Iterator[Target]:
    boxes = dub(_MP4, "--timing", "free", "--in-bbox-path", "boxes.pkl")
    yield Target("boxes, voices", "boxes.pkl", boxes, BYTES, outputs=_DUBBED, weight=2)
    signed = {"signed.mp4": (), "signed.mkv": ("signed.c2pa",), "signed.c2pa": ("signed.mkv",)}
    for name, beside in signed.items():
        told = ("info", "signed.mp4" if not beside else "signed.mkv")
        yield Target("provenance", name, told, (*BYTES, other_text, other_number), beside, weight=16)
    for name, (kind, mutations) in ASKED.items():
        yield Target(f"asked: {kind}", name, ("tests.fuzz.asked", kind, name), mutations, outputs=("said", "got"), weight=16)
    yield Target("boxes, voices", "voice.npy", _speak(f"{GOOD}/units.txt", "voice.npy"), BYTES, outputs=("o.wav",), weight=6)


ASKED: Mapping[str, tuple[str, tuple[Mutation, ...]]] = {
    **{f"said.{ending}": ("subtitles", TEXT) for ending in ("srt", "vtt", "ass", "smi")},
    "glossary.tsv": ("glossary", TEXT),
    "consent.yaml": ("consent", TEXT),
    "key.pem": ("key", TEXT),
    "answers.jsonl": ("program", JSON),
    "answer.http": ("address", TEXT),
    "speech.wav": ("speaker", BYTES),
    "host.http": ("host", (*TEXT, *BYTES)),
}
"""Files that `tests.fuzz.asked` reads, or lets a program or a host say."""


TARGETS: tuple[Target, ...] = (*_media(), *_checkpoints(), *_texts(), *_others())


def good_case(number: int, good: Path) -> Case:
    return _case(number, good, "good", (good / TARGETS[number].source).read_bytes())


def made_case(seed: int, number: int, good: Path) -> Case:
    """The case of a number: which target, which damages. One in four is damaged twice."""
    rng = Random(f"{seed}:{number}")
    chosen = rng.choices(range(len(TARGETS)), [target.weight for target in TARGETS])[0]
    target = TARGETS[chosen]
    content, names = (good / target.source).read_bytes(), []
    for _ in range(rng.choice((1, 1, 1, 2))):
        mutation = rng.choice(target.mutations)
        try:
            content = mutation(rng, content) if content else content
            names.append(mutation.__name__)
        except (ValueError, IndexError, RecursionError):  # the first damage left nothing that the second one could be done to
            break
    return _case(chosen, good, f"--seed {seed} --case {number}: {', '.join(names)}", content)


def _case(number: int, good: Path, name: str, content: bytes) -> Case:
    target = TARGETS[number]
    files: dict[str, bytes | Path] = {one: good / one for one in target.beside}
    if target.source.startswith("bundle/"):
        files |= {f"bundle/{path.name}": path for path in (good / "bundle").iterdir()}
    files[target.damaged] = content
    command = tuple(word.replace(GOOD, str(good)) for word in target.command)
    title = f"{name} of {target.source} ({command[0]})"
    return Case(target.kind, title, command, files, target.outputs, target.codes, target.is_telling, number)
