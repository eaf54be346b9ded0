"""Small trees in the layouts of the corpora."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile

from avcore.media import VideoWriter
from avcore.timeline import SAMPLE_RATE, frames_covering, samples_to_seconds
from netflips import cli
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from recipes.demo.heads.motion import motion
from tests.avcore.faces.drawn import head_of
from tests.avcore.made_speech import babble, talk

SIZE = (224, 224)


@cache
def sound_bytes(seconds: float, seed: int = 0, rate: int = SAMPLE_RATE, kind: str = "WAV") -> bytes:
    content = io.BytesIO()
    speech = babble(seconds, seed)
    if rate != SAMPLE_RATE:
        speech = np.repeat(speech, rate // SAMPLE_RATE)
    soundfile.write(content, speech, rate, format=kind, subtype="PCM_16")
    return content.getvalue()


def write_zip(path: Path, files: Mapping[str, bytes], encoding: str = "utf-8") -> Path:
    """A zip archive; with `cp949`, names are stored as Korean Windows programs do, without saying so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name if encoding == "utf-8" else _RawInfo(name.encode(encoding)), content, zipfile.ZIP_DEFLATED)
    return path


class _RawInfo(zipfile.ZipInfo):
    """An entry whose name is bytes of another encoding, as old programs write them."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw.decode("cp437"))
        self._raw = raw

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 (zipfile's own)
        return self._raw, self.flag_bits & ~0x800


def write_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def split_file(path: Path, count: int, by_offset: bool = False) -> list[Path]:
    """Cut a file into `x.part0`, `x.part1`, ..., or with the offsets as numbers, as the corpora's own downloader does."""
    content = path.read_bytes()
    step = -(-len(content) // count)
    parts = []
    for number, start in enumerate(range(0, len(content), step)):
        part = path.with_name(f"{path.name}.part{start if by_offset else number}")
        part.write_bytes(content[start : start + step])
        parts.append(part)
    path.unlink()
    return parts


def prepare(name: str, root: Path, out: Path, *more: str) -> int:
    """Run `netflips prepare` in this process."""
    return cli.main(["prepare", name, "--data-root", str(root), "--out-dir", str(out), "--workers", "1", "--quiet", *more])


def failures(out: Path) -> dict[str, str]:
    """What could not be prepared, with the reasons."""
    return {row["id"]: row["reason"] for row in read_rows(out / "failed.jsonl")}


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def talking_head(
    path: Path,
    plan: Sequence[float],
    seed: int = 2,
    rate: int = 25,
    size: tuple[int, int] = SIZE,
    blur: float = 0.0,
    pose: Pose | None = None,
) -> Path:
    """A video of a drawn head whose mouth follows its babble. plan: seconds of silence and speech in turn."""
    speech = talk(list(plan))
    seconds = samples_to_seconds(len(speech))
    head, num_frames = head_of(seed), frames_covering(seconds, rate)
    moves = motion(seed, num_frames, pose or Pose(), amount=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, size[1], size[0], rate, SAMPLE_RATE, preset="ultrafast") as writer:
        writer.write_sound(speech)
        for number in range(num_frames):
            frame = draw(head, moves[number], MouthShape(_loudness(speech, number, rate)), size)
            writer.write_rgb(cv2.GaussianBlur(frame, (0, 0), blur) if blur else frame)
    return path


def _loudness(speech: np.ndarray, number: int, rate: int) -> float:
    step = SAMPLE_RATE // rate
    return (
        float(np.clip(6 * speech[number * step : (number + 1) * step].std(), 0, 1)) if (number + 1) * step <= len(speech) else 0.0
    )
