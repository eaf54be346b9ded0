"""Voices and background as separate sounds: of a recording, by a program (separate_with), and of a dub (stems)."""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import av
import numpy as np

from avcore.arrays import Samples
from avcore.errors import InputError
from avcore.files import atomic_output, flush
from avcore.journal import key_of
from avcore.media import MediaInfo, iter_sound_at, iter_sound_blocks, probe
from avcore.media.sound import write_speech_pieces
from avcore.media.sound_writer import LAYOUTS
from avcore.programs import command_key, filled, program_name, run_program
from avcore.timeline import SAMPLE_RATE
from netflips.dubbing.options import SEPARATE_WITH
from netflips.dubbing.store import Store

LOG = logging.getLogger("netflips")
_FULL_SCALE = 1 << 23
_WHAT = f"the program of {SEPARATE_WITH}"
_STEP = "speech"
_WITHOUT_VOICES = ("no_vocals", "background", "instrumental", "other", "accompaniment")
"""Names, without suffix, of the file without voices: those of demucs, and usual names for stems of audio-separator."""
_LIMIT_S = 24 * 3600.0
_MOST_DIFFERENCE_S = 1.0
_MOST_NAMED = 5


def with_stems(
    parts: Iterable[tuple[Samples, Samples]], files: Iterable[Path], rate: int, num_channels: int, comment: str
) -> Iterator[tuple[Samples, Samples]]:
    """Yield parts of a dub's sound, speech and background in blocks of float32 [time, channel], and write them to the stems.

    files: paths for speech, background and mix, in 24 bits; they appear when all three are on the disk. comment: marks them as
    ours. Raises OutputError.
    """
    # All three files must be closed and on the disk before the first of them gets its name, so names have a stack of their own. A
    # stack unwinds backwards: each file is closed first, and flushed then.
    with ExitStack() as names, ExitStack() as written:
        stems = []
        for path in files:
            temporary = names.enter_context(atomic_output(path))
            written.callback(flush, temporary)
            file = written.enter_context(av.open(f"file:{temporary}", "w", format="wav", options={"rf64": "auto"}))  # of any length
            file.metadata["comment"] = comment
            stems.append((file, file.add_stream("pcm_s24le", rate=rate, layout=LAYOUTS[num_channels])))

        for speech, background in parts:
            for (file, stem), sound in zip(stems, (speech, background, speech + background), strict=True):
                whole = np.clip(np.round(np.asarray(sound, np.float64) * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
                samples = (whole.astype(np.int32) << 8).reshape(1, -1)  # [1, time x channel], of which 24 bits are written
                frame = av.AudioFrame.from_ndarray(samples, "s32", LAYOUTS[num_channels])
                frame.sample_rate = rate
                file.mux(stem.encode(frame))
            yield speech, background

        for file, stem in stems:
            file.mux(stem.encode(None))


def separated(command: Sequence[str], info: MediaInfo, digest: str, store: Store) -> Path:
    """Return the music and effects of a recording, which a program separates from its voices once.

    digest: of the recording. Raises InputError if the program fails, or its sound is missing or wrong.
    """
    rate, channels = info.audio_rate or SAMPLE_RATE, max(info.audio_channels, 1)
    key = key_of("separation", digest, command_key(command), rate)
    kept = store.find_file(_STEP, key, ".wav")
    if kept is not None:
        return kept

    LOG.info("separating music and effects from voices by %s", program_name(command))
    with tempfile.TemporaryDirectory(prefix="netflips-") as folder, store.new_file(_STEP, key, ".wav") as target:
        source, stems, background = (Path(folder) / name for name in ("sound.wav", "stems", "background.wav"))
        stems.mkdir()
        samples = write_speech_pieces(source, iter_sound_blocks(info.source), rate, channels)
        run_program(filled(command, {"in": str(source), "dir": str(stems), "background": str(background)}), _LIMIT_S, _WHAT)

        # Some programs name one file, others leave a file for each stem.
        made = background if background.is_file() else _without_voices(stems, command[0])
        found = probe(made)
        if not found.has_audio or abs(float(found.duration_s) - samples / rate) > _MOST_DIFFERENCE_S:
            seconds = f"{float(found.duration_s):.2f} s" if found.has_audio else "no sound"
            raise InputError(f"{_WHAT} wrote another sound", expected=f"{samples / rate:.2f} s", found=seconds)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_speech_pieces(target, iter_sound_at(made, rate), rate, found.audio_channels)
    return target


def _without_voices(folder: Path, program: str) -> Path:
    """Return the file without voices among those that a program wrote in a folder and its subfolders."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for name in _WITHOUT_VOICES:
        for path in files:
            if path.stem.lower() == name:
                return path

    written = ", ".join(path.name for path in files[:_MOST_NAMED]) or "nothing"
    raise InputError(
        f"{_WHAT} wrote no file without voices",
        path=program,
        expected=f"{', '.join(_WITHOUT_VOICES)}, or {{background}}",
        found=written,
    )
