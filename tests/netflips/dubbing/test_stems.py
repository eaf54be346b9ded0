"""The sound of a dub in parts: whole or not at all."""

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from avcore.arrays import Samples
from avcore.errors import OutputError
from avcore.media import read_speech
from netflips.dubbing import stems
from netflips.dubbing.stems import with_stems


def test_of_three_stems_all_are_written_or_none(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.wav" for name in ("speech", "background", "mix")]
    files[1].write_bytes(b"of before")
    block = np.full((1600, 1), 0.1, np.float32)

    def failing() -> Iterator[tuple[Samples, Samples]]:
        yield block, block
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        list(with_stems(failing(), files, 16_000, 1, "synthetic"))
    assert [path.name for path in tmp_path.iterdir()] == ["background.wav"]
    assert files[1].read_bytes() == b"of before"

    on_disk, wanted = stems.flush, iter([None, OSError(errno.EIO, "Input/output error"), None])

    def flushed(path: Path) -> None:  # the second is found not to be on the disk, when all are whole
        on_disk(path)
        if (error := next(wanted)) is not None:
            raise error

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OutputError, match="Input/output"):
        patch.setattr(stems, "flush", flushed)
        list(with_stems([(block, block)], files, 16_000, 1, "synthetic"))
    assert [path.name for path in tmp_path.iterdir()] == ["background.wav"]
    list(with_stems([(block, block)], files, 16_000, 1, "synthetic"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["background.wav", "mix.wav", "speech.wav"]
    assert read_speech(files[2])[:1600] == pytest.approx(0.2, abs=1e-4)
