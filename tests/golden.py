"""Golden marks: what runs of the shipped bundle write, so that a change of the code can be shown to change nothing of it.

    python -m tests.golden compare COMMIT   every run, with this checkout and with another commit, on this machine
    python -m tests.golden renew            what is kept in tests/integration/golden.json: it belongs to the bundle

Marks that hold on any machine (numbers and times of frames, lengths of sound, pieces of kept work, progress, texts) are kept
and tested; digests of frames before the encoder, of sound, of files, and the names of kept work depend on the processor and are
compared on one machine only.
"""

import argparse
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from fractions import Fraction
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from avcore import progress
from avcore.media import FrameSource, VideoJoiner, VideoWriter, probe, read_speech
from avcore.media.colour import planes
from avcore.media.writer import _INSTRUCTIONS
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, Interval
from netflips import cli
from netflips.script.files import write_script
from netflips.script.targets import WrittenText
from netflips.script.types import Script, SpeakerOf, VoiceFile
from netflips.script.utterance import Utterance
from tests.netflips.conftest import config

ROOT = Path(__file__).resolve().parents[1]
CODE = Path(cli.__file__).resolve().parents[1]
"""That is run: this checkout, or another that is compared with it."""
KEPT = ROOT / "tests" / "integration" / "golden.json"
CLIP, WAV2LIP, PORTRAIT = ROOT / "docs/clip/clip.mp4", ROOT / "tests/parity/wav2lip_tiny.pth", ROOT / "docs/clip/portrait.jpg"
Mark = dict[str, Any]
_CHANCE = ".mkv"
"""Of files that say by chance which they are."""

_HELD = ["--config", "{held}", "--script-in", "{short}", "--lips", "units"]
_MUTED = ["--background", "mute", "--config", "{muted}", "--lips", "units"]
_CASCADE = ["--cascade", "--recognizer", "{recognizer}", "--text-translator", "{translator}"]
_ODD = ["dub", "{oddfilm}", "--out-vid-path", "{out}.mkv"]
_FILM = ["dub", "{film}", "--out-vid-path", "{out}.mp4", "--timing", "source", "--work-dir", "{work}", "--report", "{out}.json"]
_CLIP = ["dub", "{clip}", "--out-vid-path", "{out}.mp4", "--report", "{out}.json"]
_SYNC = ["lipsync", "{clip}", "--speech", "{other}", "--out-vid-path", "{out}.mp4", "--work-dir", "{work}"]
_HEAD = ["portrait", "{portrait}", "--size", "480p", "--out-vid-path", "{out}.mp4"]
_UNITS = ["render", "--in-unit-path", "{units}", "--in-vid-path", "{clip}", "--out-vid-path", "{out}.mp4"]
_SOUND = ["--lips", "wav2lip", "--wav2lip-path", "{wav2lip}"]
RUNS: dict[str, list[str]] = {
    "clip": [*_CLIP, "--lips", "units", "--subtitles", "source,target"],
    "clip mesh": [*_CLIP, "--lips", "mesh", "--embed-subtitles", "--subtitles", "source,target"],
    "clip wav2lip": [*_CLIP, *_SOUND, "--burn-label", "made"],
    "clip hard": [*_CLIP, "--config", "{hard}", "--modalities", "audio"],
    "clip burnt": [*_CLIP, "--subtitles", "source,target", "--burn-subtitles", "target", "--burn-label", "made"],
    "clip of 2.45 s": ["dub", "{clip245}", "--out-vid-path", "{out}.mp4"],
    "clip of odd size": ["dub", "{odd}", "--out-vid-path", "{out}.mkv", "--lips", "units"],
    "clip of odd size mesh": ["dub", "{odd}", "--out-vid-path", "{out}.mp4", "--lips", "mesh"],
    "film": [*_FILM, "--lips", "units", "--subtitles", "source,target"],
    "film mesh": [*_FILM, "--lips", "mesh"],
    "film wav2lip": [*_FILM, *_SOUND, "--config", "{hard}"],
    "film held": [*_FILM, *_HELD],
    "film part": [*_FILM, "--start", "4.75", "--end", "7.9", "--burn-label", "made", "--lips", "units"],
    "film preview": [*_FILM, "--preview", "--lips", "units"],
    "film muted": [*_FILM, *_MUTED, "--subtitles", "source", "--embed-subtitles"],
    "film of texts": [*_FILM, "--script-in", "{texts}", "--lips", "units"],
    "film of speakers": [*_FILM, "--script-in", "{speakers}", "--lips", "units"],
    "film over text": [*_FILM, *_CASCADE, "--lips", "units", "--subtitles", "source,target", "--end", "7.5"],
    "film burnt": [*_FILM, "--burn-subtitles", "target", "--lips", "units"],
    "film of odd size": [*_ODD, "--timing", "source", "--work-dir", "{work}", "--config", "{frozen}"],
    "lipsync": [*_SYNC, "--lips", "units"],
    "lipsync held": [*_SYNC, "--fit", "hold", "--burn-label", "made", *_SOUND],
    "lipsync of the video": [*_SYNC, "--fit", "video", "--lips", "mesh"],
    "lipsync held of odd size": ["lipsync", "{odd}", "--speech", "{other}", "--fit", "hold", "--out-vid-path", "{out}.mp4"],
    "lipsync long": ["lipsync", "{clip}", "--speech", "{long}", "--out-vid-path", "{out}.mp4", "--work-dir", "{work}"],
    "portrait": [*_HEAD, "--speech", "{other}"],
    "portrait long": [*_HEAD, "--speech", "{long}", "--lips", "units"],
    "portrait of text": [*_HEAD, "--text", "안녕하세요?", "--lips", "units", "--burn-label", "made"],
    "portrait of units": [*_HEAD, "--units", "{units}", "--no-fill", "--motion", "1"],
    "render": [*_UNITS, "--lips", "units"],
    "render mesh": [*_UNITS, "--lips", "mesh", "--speed", "0.7692307692307692"],
    "render wav2lip": [*_UNITS, *_SOUND, "--no-durations", "--hard-paste"],
    "lip2speech": ["lip2speech", "{clip}", "--out", "{out}.wav", "--out-video", "{out}.mp4"],
    "say": ["say", "안녕하세요? 만나서 반갑습니다.", "--out", "{out}.wav", "--units-path", "{out}.txt"],
    "avatar": ["avatar", "{portrait}", "--size", "480p", "--listen", "{clip}", "--out-vid-path", "{out}.mp4"],
    "transcribe": ["transcribe", "{clip}", "{film}", "--out-dir", "{out}", "--format", "json"],
}  # fmt: skip
TESTED = ("clip burnt", "film held", "film over text", "lipsync held", "render", "portrait of text")
"""Runs whose marks are kept and tested: each schedule, each way of writing, each backend that is quick."""
KILLED = ("film", "lipsync long", "portrait long")
"""Runs that are done once more, in a process that is killed when it has kept frames, and then to the end."""


# What is dubbed


def write_material(folder: Path) -> dict[str, Path]:
    """Write what the runs read, made of the demo's clip; returns it by name."""
    made = {name: folder / f"{name}.mp4" for name in ("clip245", "odd", "film", "oddfilm")}
    frames, speech = [one.rgb for one in FrameSource(CLIP)], read_speech(CLIP)
    odd = [np.ascontiguousarray(one[20:355, 30:451]) for one in frames]
    more = np.concatenate([speech, speech[-200:]])[: SAMPLE_RATE * 245 // 100]
    _write(made["clip245"], frames, 25, more)
    _write(made["odd"], odd, 25, speech)
    # Two shots of the same person, who is seen from the other side after a cut, and a last part without anybody.
    still, other, none = [frames[-1]] * 30, [np.ascontiguousarray(one[:, ::-1]) for one in frames], [frames[0] // 8] * 70
    shots, quiet = [*still, *frames, *still, *other, *[other[-1]] * 25, *none], np.zeros(SAMPLE_RATE * 12 // 10, np.float32)
    said = np.concatenate([quiet, speech, quiet, speech, quiet[:16000], speech, quiet])
    rate = Fraction(30000, 1001)
    uneven = [shots[min(int(number * 25 / rate), len(shots) - 1)] for number in range(int(len(said) / SAMPLE_RATE * rate))]
    _write(made["film"], uneven, rate, resample(said, SAMPLE_RATE, 44_100), 44_100, 2)
    _write(made["oddfilm"], [one[5:, 7:] for one in uneven[:130]], rate, said[: 4 * SAMPLE_RATE])
    places = [(1.2, 3.6), (4.8, 7.2)]
    korean = WrittenText("만나서 반갑습니다.")
    voice = SpeakerOf("Ann", VoiceFile(made["clip245"].name), face="none")
    scripts = {
        "texts": Script(utterances=(Utterance(place=Interval(*places[0])), Utterance(place=Interval(*places[1]), target=korean))),
        "short": Script(
            utterances=tuple(Utterance(place=Interval(*one)) for one in ((1.2, 2.5), (2.6, 3.7), (4.8, 6.1), (6.2, 7.3)))
        ),
        "speakers": Script(
            speakers=(voice,),
            utterances=(Utterance(place=Interval(*places[0])), Utterance(place=Interval(*places[1]), speaker="Ann")),
        ),
    }
    for name, script in scripts.items():
        made[name] = folder / f"{name}.json"
        write_script(made[name], script)
    made["units"] = folder / "units.txt"
    made["units"].write_text(" ".join(str(7 * number % 64) for number in range(40)) + "\n", encoding="utf-8")
    for name, options in (
        ("held", "freeze_frame: true\npace: [1, 1.1]\n"),
        ("muted", f"background_audio: {folder / 'other.mov'}\n"),
        ("frozen", "freeze_frame: true\n"),
        ("hard", "hard_paste: true\n"),
    ):
        made[name] = folder / f"{name}.yaml"
        made[name].write_text(options, encoding="utf-8")
    for name, samples in (("other", speech[4000:].repeat(2)[:60_001]), ("long", np.concatenate([said, said]))):
        made[name] = folder / f"{name}.mov"
        _write(made[name], frames[:1], 25, samples)
    if has_cascade():
        from tests.netflips.cascade.tiny import write_translator
        from tests.netflips.recognizers.tiny import write_whisper

        made["recognizer"] = write_whisper(folder / "small.en", "the bus stops")
        made["translator"] = write_translator(folder / "nllb", {"the": "그", "bus": "버스", "stops": "서요"})
    return made | {"clip": CLIP, "wav2lip": WAV2LIP, "portrait": PORTRAIT}


def has_cascade() -> bool:
    """Whether the packages of the cascade are there."""
    return all(find_spec(name) for name in ("faster_whisper", "sentencepiece"))


def _write(
    path: Path, frames: Sequence[np.ndarray], rate: Fraction | int, samples: np.ndarray, hz: int = SAMPLE_RATE, channels: int = 1
) -> None:
    height, width = frames[0].shape[:2]
    # With another number of threads (by default: of cores), x264 writes slightly other frames, and their lips give other units.
    with patch.dict(_INSTRUCTIONS, threads="2"), VideoWriter(path, width, height, rate, hz, channels, preset="ultrafast") as writer:
        for frame in frames:
            writer.write_rgb(frame)
        writer.write_sound(np.repeat(samples[:, None], channels, axis=1))


# What a run does


class _Recorder:
    """Takes the marks of one run: what goes into encoders, what is told, what is there at the end."""

    def __init__(self) -> None:
        self.frames, self.sound = hashlib.sha256(), hashlib.sha256()
        self.num_frames = self.num_samples = 0
        self.times: list[str] = []
        self.stages: dict[str, list[int | None]] = {}

    @contextmanager
    def installed(self) -> Iterator[None]:
        with ExitStack() as stack:
            for kind, name, note in (
                (VideoWriter, "write_rgb", self._rgb),
                (VideoWriter, "write_frame", self._frame),
                (VideoWriter, "write_sound", self._samples),
                (VideoJoiner, "write_piece", self._piece),
            ):
                stack.enter_context(patch.object(kind, name, _noted(getattr(kind, name), note)))
            stack.enter_context(progress.report_to(self._told))
            yield

    def _rgb(self, rgb: np.ndarray, *_: Any) -> None:
        self.frames.update(np.ascontiguousarray(rgb).tobytes())
        self.num_frames += 1

    def _frame(self, frame: Any, *_: Any) -> None:
        for plane in planes(frame):
            self.frames.update(np.ascontiguousarray(plane).tobytes())
        self.num_frames += 1

    def _samples(self, samples: np.ndarray) -> None:
        self.sound.update(np.ascontiguousarray(samples, np.float32).tobytes())
        self.num_samples += len(samples)

    def _piece(self, path: Path, times: Sequence[Fraction]) -> None:
        self.times += [f"piece of {len(times)}", *map(str, times)]

    def _told(self, stage: str, done: int, total: int | None) -> None:
        self.stages[stage] = [done, total]


def _noted(method: Any, note: Any) -> Any:
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        note(*arguments, **named)
        return method(self, *arguments, **named)

    return call


def take(name: str, material: dict[str, Path], folder: Path) -> Mark:
    """Do a run in an empty folder and return its marks."""
    out, work = folder / "made", folder / "work"
    places = {**{key: str(path) for key, path in material.items()}, "out": str(out), "work": str(work)}
    argv = [word.format(**places) for word in RUNS[name]] + ["--yes", "--cpu", "--precision", "float32"]
    mark = _run(argv, folder, work)
    if name in KILLED:
        shutil.rmtree(folder)
        folder.mkdir()
        _kill(argv, folder)
        mark["after a kill"] = _run(argv, folder, work)
    return mark


def _kill(argv: Sequence[str], folder: Path) -> None:
    """Begin a run in a process of its own, and kill that when the first frames are kept."""
    unchecked = config(check="off") if argv[0] == "dub" else []  # whatever recognizer is here
    words, nowhere = [sys.executable, "-m", "netflips.cli", *argv, *unchecked], subprocess.DEVNULL
    running = subprocess.Popen(words, cwd=CODE, stdout=nowhere, stderr=nowhere)
    while running.poll() is None and not any(folder.glob("*/frames/*.mp4")):
        time.sleep(0.01)
    running.kill()
    if running.wait() != -signal.SIGKILL or any(folder.glob("made.mp4")):
        raise RuntimeError(f"{' '.join(argv)}: it ended before it was killed")


def _run(argv: Sequence[str], folder: Path, work: Path) -> Mark:
    recorder, said = _Recorder(), StringIO()
    said.isatty = lambda: False  # type: ignore[method-assign]
    logging.getLogger("netflips").handlers.clear()
    with ExitStack() as changed:
        changed.enter_context(
            patch("netflips.dubbing.check_recognizer.recognizer_folders", lambda asked: [])
        )  # whatever recognizer is here
        if "--cascade" in argv:
            from tests.netflips.recognizers.tiny import by_pauses  # a tiny Whisper says one sentence of any window

            changed.enter_context(patch("netflips.dubbing.recognize.packed", by_pauses))
        changed.enter_context(recorder.installed())
        changed.enter_context(redirect_stderr(said))
        changed.enter_context(redirect_stdout(StringIO()))
        code = cli.main(list(argv))
    if code:
        raise RuntimeError(f"{' '.join(argv)}: exit code {code}: {said.getvalue()}")
    work = next(folder.glob("*.work"), work)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and work not in path.parents)
    kept = sorted(path.relative_to(work) for path in work.rglob("*") if path.suffix in (".npz", ".mp4"))
    texts = {path.name: _plain(path, folder) for path in files if path.suffix in (".json", ".srt", ".txt")}
    videos = [path for path in files if path.suffix in (".mp4", ".mkv")]
    return {
        "frames": recorder.num_frames,
        "times": recorder.times,
        "samples": recorder.num_samples,
        "progress": recorder.stages,
        "work": dict(Counter(str(path.parent) for path in kept)),
        "videos": {path.name: [str(probe(path).duration_s), probe(path).num_frames] for path in videos},
        "texts": texts,
        "said": _without_chance(said.getvalue(), folder),
        "own": {
            "frames": recorder.frames.hexdigest(),
            "sound": recorder.sound.hexdigest(),
            "files": {path.name: _digest(path) for path in files if path.name not in texts and path.suffix != _CHANCE},
            "work": {str(path): _digest(work / path) for path in kept},
        },
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _plain(path: Path, folder: Path) -> Any:
    """What a file of text says, without what differs from run to run."""
    text = _without_chance(path.read_text(encoding="utf-8"), folder)
    if path.suffix != ".json":
        return text
    content = json.loads(text)
    for told in (content, content.get("made")) if isinstance(content, dict) else ():
        for name in ("stages", "timings", "peak_memory_bytes", "work_bytes", "version") if isinstance(told, dict) else ():
            told.pop(name, None)
    return content


def _without_chance(text: str, folder: Path) -> str:
    text = (
        text.replace(str(folder), "FOLDER")
        .replace(str(folder.parent), "MATERIAL")
        .replace(str(ROOT), "ROOT")
        .replace(str(CODE), "ROOT")
    )
    text = re.sub(r"\d+ MB are free", "N MB are free", text)
    if text.startswith("{"):
        return text
    text = re.sub(r"\d+(\.\d+)?( s\b|x)", r"N\2", text)
    return re.sub(r"(?m)^.*(real time|memory|listen N s|, after \d+:\d+:\d+).*\n", "", text)


def take_all(names: Sequence[str]) -> dict[str, Mark]:
    """Do runs one after another; returns their marks by name."""
    with tempfile.TemporaryDirectory(prefix="golden.") as place:
        material, marks = write_material(Path(place)), {}
        for number, name in enumerate(names):
            folder = Path(place) / f"run{number}"
            folder.mkdir()
            marks[name] = take(name, material, folder)
            shutil.rmtree(folder)
            sys.stderr.write(f"{name}: {marks[name]['frames']} frames\n")
    return marks


# What holds on any machine


def anywhere(mark: Mark) -> Mark:
    """The part of a run's marks that holds on any machine."""
    own = ("frames", "samples", "progress", "work", "videos")
    texts = {name: text for name, text in mark["texts"].items() if name.endswith(".srt")}
    pieces = " ".join(word for word in mark["times"] if word.startswith("piece"))
    times = hashlib.sha256(" ".join(mark["times"]).encode()).hexdigest()[:16]
    return {name: mark[name] for name in own} | {"texts": texts, "times": f"{times} {pieces}"}


def differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """Where two marks differ, a line each."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({**before, **now}):
            yield from differences(before.get(name), now.get(name), f"{place}/{name}")
    elif before != now:
        first = next((n for n, (one, other) in enumerate(zip(str(before), str(now), strict=False)) if one != other), 0)
        around = slice(max(first - 60, 0), first + 80)
        yield f"{place}: {str(before)[around]!r} is now {str(now)[around]!r}"


# The command


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("renew", help="take the marks that are kept anew")
    takes = actions.add_parser("take", help="take the marks of runs with the code that Python finds")
    takes.add_argument("out", type=Path)
    compares = actions.add_parser("compare", help="take the marks with this checkout and with another commit, and compare")
    compares.add_argument("other", metavar="COMMIT", help="a commit, or a file of marks taken before")
    for one in (takes, compares):
        one.add_argument("--only", default="", help="a regular expression that the names of runs match")
    options = parser.parse_args(argv)
    if options.action == "renew":
        kept = {name: anywhere(mark) for name, mark in take_all(TESTED).items()}
        rows = (f" {json.dumps(name)}: {json.dumps(mark, ensure_ascii=False, sort_keys=True)}" for name, mark in kept.items())
        KEPT.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
        return 0
    names = [name for name in RUNS if re.search(options.only, name) and (has_cascade() or "--cascade" not in RUNS[name])]
    if options.action == "take":
        options.out.write_text(json.dumps(take_all(names), ensure_ascii=False), encoding="utf-8")
        return 0
    before, now = _marks_of(options.other, options.only), take_all(names)
    found = [line for name in names for line in differences(before[name], json.loads(json.dumps(now[name])), name)]
    sys.stdout.write("\n".join([*found, f"{len(names)} runs, {len(found)} differences", ""]))
    return 1 if found else 0


def _marks_of(other: str, only: str) -> dict[str, Mark]:
    """The marks of a file, or of a commit, whose code is put beside this checkout for as long as it takes."""
    if Path(other).is_file():
        return json.loads(Path(other).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="golden.") as place:
        code, out, git = Path(place) / "code", Path(place) / "marks.json", ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "--quiet", str(code), other], check=True)
        try:
            run = "import runpy, sys; sys.argv[:] = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
            there = os.environ | {"PYTHONPATH": str(code)}
            command = [sys.executable, "-c", run, __file__, "take", str(out), "--only", only]
            subprocess.run(command, check=True, cwd=code, env=there)
            return json.loads(out.read_text(encoding="utf-8"))
        finally:
            subprocess.run([*git, "remove", "--force", str(code)], check=True)


if __name__ == "__main__":
    sys.exit(main())
