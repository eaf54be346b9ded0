"""Made corpora for bulk work: any number of utterances, of which each has sound of its own; clips and recordings to dub."""

from pathlib import Path
from typing import Literal

import numpy as np

from avcore.media import VideoWriter, read_pictures, read_sound, write_lip_video, write_speech
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME, frame_at, frames_to_seconds
from avdata.manifest import Entry, write_manifest
from benchmarks.made_recording import write_made_recording
from workshop.heads.camera import Pose
from workshop.heads.head import Head, MouthShape, draw
from workshop.heads.motion import motion

DEMO_CLIP = Path(__file__).resolve().parent.parent / "demo" / "clip.mp4"
Kind = Literal["sound", "lips", "faces"]
_NUM_PICTURES = {"sound": 0, "lips": 32, "faces": 6}
"""Different lip clips or drawn talkers; utterances share them, because drawing takes longer than reading."""


def write_corpus(folder: Path, count: int, kind: Kind, shortest_s: float = 1.0, longest_s: float = 7.0, seed: int = 0) -> Path:
    """Write `count` utterances of `shortest_s` to `longest_s` seconds into a folder; returns their manifest."""
    rng = np.random.default_rng(seed)
    num_clips = _NUM_PICTURES[kind] or count
    frames = [frame_at(float(length)) for length in rng.uniform(shortest_s, longest_s, num_clips)]
    names = [f"clips/{number:05d}.mp4" for number in range(num_clips if kind != "sound" else 0)]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (_write_lips if kind == "lips" else _write_talker)(folder / name, frames[number], number)
    entries = []
    for number in range(count):
        num_frames = frames[number % num_clips]
        audio = f"sound/{number % 100:02d}/{number:05d}.wav"
        (folder / audio).parent.mkdir(parents=True, exist_ok=True)
        write_speech(folder / audio, _sound(num_frames, rng))
        pictures = {"lips": "lips", "faces": "video"}.get(kind)
        clip = {pictures: names[number % num_clips]} if pictures else {}
        length_s = float(frames_to_seconds(num_frames))
        entries.append(Entry(f"{number % 100:02d}/{number:05d}", audio, duration_s=length_s, language="ko", **clip))
    write_manifest(folder / "manifest.jsonl", entries)
    return folder / "manifest.jsonl"


def write_clips(folder: Path, count: int, seconds: float = 2.5) -> list[Path]:
    """Write `count` parts of the demo's clip, `seconds` each, into a folder, no two of them alike."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [picture.rgb for picture in read_pictures(DEMO_CLIP)]
    samples, rate = read_sound(DEMO_CLIP)
    num_pictures = frame_at(seconds)
    paths = [folder / f"clip{number:04d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        first = number % max(len(pictures) - num_pictures, 1)
        begin, end = (round(float(frames_to_seconds(at)) * rate) for at in (first, first + num_pictures))
        height, width = pictures[0].shape[:2]
        with VideoWriter(path, width, height, FRAME_RATE, rate, samples.shape[1], preset="ultrafast") as writer:
            for picture in pictures[first : first + num_pictures]:
                shaded = np.clip(picture.astype(np.int16) + number % 21 - 10, 0, 255).astype(np.uint8)
                writer.write_picture(shaded[:, ::-1] if number % 2 else shaded)
            writer.write_sound(samples[begin:end] * np.float32(0.6 + 0.002 * number))
    return paths


def write_recordings(folder: Path, count: int, seconds: float, height: int = 240) -> list[Path]:
    """Write recordings of drawn heads that talk alone and in turn into a folder, each with its own people and lines."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"recording{number:03d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.with_suffix(".json").exists():  # it is written last
            write_made_recording(path, seconds, seconds, number, height)
    return paths


def _sound(num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Noise and a tone with a syllable-like envelope, float32 [S]."""
    time = np.arange(num_frames * SAMPLES_PER_FRAME) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * rng.uniform(100, 400) * time) * (1 + np.sin(2 * np.pi * rng.uniform(2, 5) * time))
    return (0.2 * tone + 0.03 * rng.standard_normal(len(time))).astype(np.float32)


def _write_lips(path: Path, num_frames: int, seed: int) -> None:
    blocks = np.random.default_rng(seed).integers(0, 256, (24, 24), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    write_lip_video(path, (np.roll(blocks, 3 * frame, axis=frame % 2) for frame in range(num_frames)))


def _write_talker(path: Path, num_frames: int, seed: int) -> None:
    head, side = Head(seed), 256
    with VideoWriter(path, side, side, FRAME_RATE, preset="ultrafast") as writer:
        for frame, pose in enumerate(motion(seed, num_frames, Pose(scale=0.4))):
            writer.write_picture(draw(head, pose, MouthShape(0.4 - 0.4 * float(np.cos(0.75 * frame))), side))
