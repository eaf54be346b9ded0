"""Any folder of talking-head videos (LRS3, mTEDx, GRID, your own recordings), cut into clips.

`netflips prepare video --data-root talks --out-dir data/talks --language en`
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

from avcore.data.prepare.clips import SAMPLES, ClipRequest, ClipSettings, Footage, FramingKind, make_clip
from avcore.data.prepare.label_fields import spoken_form
from avcore.data.prepare.quality import QualityGates, write_contact_sheet
from avcore.data.prepare.running import CorpusItem, SourceCorpus
from avcore.data.prepare.sources import CorpusFile
from avcore.data.prepare.workplace import ItemRecord, Journal, PrepareResult, Workplace
from avcore.errors import InputError, MediaError, UsageError
from avcore.files import VIDEO_SUFFIXES
from avcore.flags import Command, flag
from avcore.media import MediaSource, probe
from avcore.notes import several
from avcore.speech.voice_activity import SpeechActivity
from avcore.timeline import FRAME_RATE, Interval, frame_at, frames_covering, frames_to_seconds
from avcore.units import normalise_language


@dataclass(frozen=True)
class CutSettings:
    """How speech is cut into pieces, in seconds."""

    min_s: float = 2.0
    """shorter pieces are left out"""
    max_s: float = 10.0
    """no piece is longer"""
    max_pause_s: float = 1.0
    """a longer pause always ends a piece"""
    margin_s: float = 0.2
    """silence that a piece keeps at its ends, if there is any"""


@dataclass(frozen=True)
class SpeechCuts:
    """Pieces of speech, and stretches that are too short for one."""

    items: list[Interval]
    """in order, without overlap"""
    too_short: list[Interval]


def cut_at_pauses(activity: SpeechActivity, settings: CutSettings) -> SpeechCuts:
    """Cut into pieces of speech of at most `max_s`, each as long as pauses allow.

    Neighbours are joined while the piece is short enough. Speech without pauses that is too long is cut at its quietest moment.
    """
    room = 2 * settings.margin_s
    longest = max(settings.max_s - room, settings.max_s / 2)
    parts = [part for region in activity.regions() for part in _split(activity, region, longest)]
    joined = list(_joined(parts, longest, settings.max_pause_s))
    found = activity.padded(joined, settings.margin_s)
    return SpeechCuts(
        [one for one in found if one.seconds >= settings.min_s], [one for one in found if one.seconds < settings.min_s]
    )


def cut_exactly(activity: SpeechActivity, length_s: float, settings: CutSettings) -> SpeechCuts:
    """Cut into pieces of exactly `length_s`, as many as fit into each stretch of speech, which includes pauses up to `max_pause_s`.

    A shorter stretch is padded with the sound around it. It is too short if it fills less than half of a piece, or if there is not
    enough sound around it.
    """
    pieces: list[Interval] = []
    too_short: list[Interval] = []
    free_from = 0.0
    for stretch in _joined(activity.regions(), float("inf"), settings.max_pause_s):
        # Lengths are floats: rounding must not take a piece away.
        count = int(stretch.seconds / length_s + 1e-6)
        start_s = stretch.start_s
        if count == 0 and stretch.seconds >= length_s / 2:
            count, start_s = 1, stretch.start_s - (length_s - stretch.seconds) / 2
        start_s = max(min(start_s, activity.seconds - count * length_s), free_from)
        if count == 0 or start_s + count * length_s > activity.seconds + 1e-6:
            too_short.append(stretch)
            continue
        pieces += [Interval(start_s + number * length_s, start_s + (number + 1) * length_s) for number in range(count)]
        free_from = pieces[-1].end_s

    return SpeechCuts(pieces, too_short)


def _split(activity: SpeechActivity, region: Interval, longest: float) -> Iterator[Interval]:
    """Yield a region in parts no longer than `longest`, cut at quiet moments."""
    while region.seconds > longest:
        # In the second half of the allowed length, with at least a quarter of it left for the last part.
        latest = min(region.start_s + longest, region.end_s - longest / 4)
        cut_s = activity.quietest_s(min(region.start_s + longest / 2, latest), latest)
        yield Interval(region.start_s, cut_s)
        region = Interval(cut_s, region.end_s)
    yield region


def _joined(regions: list[Interval], longest: float, max_pause_s: float) -> Iterator[Interval]:
    """Join neighbours while the result is at most `longest` and the pause between them at most `max_pause_s`."""
    held: Interval | None = None
    for region in regions:
        fits = held is not None and region.end_s - held.start_s <= longest and region.start_s - held.end_s <= max_pause_s
        if held is None or fits:
            held = Interval(region.start_s if held is None else held.start_s, region.end_s)
        else:
            yield held
            held = region

    if held is not None:
        yield held


CONTACT_SHEET = "contact_sheet.png"
_LRS_TEXT = "Text:"
_MARK = re.compile(r"\{[^{}]*\}")
"""A mark of a transcriber, such as {LAUGHTER}."""
_SAME_RATE_HZ = 0.01
_UNSEEN_S = 0.2
"""Most seconds of a stretch of speech without frames: no more than the silence that is kept around it."""

FrameStretch = tuple[int, int]
"""First frame and number of frames at 25 fps."""
_CUTS = CutSettings()


@dataclass(frozen=True, kw_only=True)
class ClipCorpus(QualityGates, SourceCorpus):
    """A corpus whose videos are cut into clips; each clip then is a piece of its own."""

    framing: FramingKind = flag(default="face", group="clips")
    """video of a clip: cropped around the face, whole, or none (default: face)"""
    max_side: int = flag(default=384)
    """pixels of the cropped video (default: 384)"""
    audio_track: str = ""
    """a number from 1 or a language, "" = the first track with speech"""

    @property
    def least_s(self) -> float:
        """Seconds of the shortest clip that is kept."""
        return 0.0

    @property
    def clips(self) -> ClipSettings:
        """What clips are made of, and what they must reach."""
        gates = QualityGates(**{one.name: getattr(self, one.name) for one in fields(QualityGates)})
        return ClipSettings(self.framing, self.max_side, max(1, frames_covering(self.least_s)), gates)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Clips made with different settings must not be mixed."""
        return {**super().settings, **asdict(self.clips)}

    @abstractmethod
    def requests(self, piece: CorpusItem, footage: Footage, journal: Journal) -> list[ClipRequest]:
        """Return the clips of a video, or record why there are none."""

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Cut a video into clips, or make one of them."""
        if isinstance(piece.work, ClipRequest):
            journal.add(make_clip(piece.work, self.out_dir, self.clips))
            return ()

        source: CorpusFile = piece.work.source
        footage = Footage.of(source, self.temporary)
        with source.named(footage.video.path):
            footage = footage.bring(source, self.audio_track or None)
            requests = list[ClipRequest]()
            try:
                requests = self.requests(piece, footage, journal)
                # A clip of the video's own name is all of it.
                if [one.id for one in requests] == [piece.key]:
                    journal.add(make_clip(requests.pop(), self.out_dir, self.clips))
            finally:
                # It is kept only if there are clips to make.
                if not requests:
                    footage.remove()
        return [CorpusItem(request.id, request) for request in requests]

    def finish(self, piece: CorpusItem) -> None:
        """Remove the footage when all clips of a video are done."""
        Footage.of(piece.work.source, self.temporary).remove()

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Draw the contact sheet if there are samples."""
        if (place.out / SAMPLES).is_dir():
            write_contact_sheet(place.out / CONTACT_SHEET, place.out / SAMPLES)


@dataclass(frozen=True)
class Recording:
    """A video to be cut."""

    source: CorpusFile
    speaker: str
    language: str
    """two letters, "" = not stated"""
    text: CorpusFile | None = None
    """file with its transcript, None = there is none"""
    transcript: str = ""
    """its transcript, if there is no file"""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """further fields of its clips"""

    def clip(self, name: str, footage: Footage, stretch: FrameStretch, text: str = "") -> ClipRequest:
        """Return the request for a clip of it."""
        rate = probe(footage.video).frame_rate
        other_rate = {} if abs(rate - FRAME_RATE) < _SAME_RATE_HZ else {"source_fps": round(float(rate), 3)}
        extra = {"source": self.source.name, **self.extra, **other_rate}
        return ClipRequest(name, footage, *stretch, language=self.language, speaker=self.speaker, text=text, extra=extra)


@dataclass(frozen=True, kw_only=True)
class WholeClips(ClipCorpus):
    """A corpus of videos that are clips already, as `Recording`s."""

    def requests(self, piece: CorpusItem, footage: Footage, journal: Journal) -> list[ClipRequest]:
        """Return the whole video as a clip, with its transcript."""
        recording: Recording = piece.work
        text = recording.transcript if recording.text is None else _text(recording.text)
        return [recording.clip(piece.key, footage, (0, _whole(footage, video_frames(footage.video))), text)]


@dataclass(frozen=True, kw_only=True)
class VideoCorpus(WholeClips):
    """Videos of talking heads to clips with lips, face, boxes, sound and quality figures."""

    data_root: Path = flag(metavar="DIR")
    """videos, also in zip or tar archives"""
    language: str = flag(default="", metavar="LANG", read=normalise_language)
    """what is spoken, two letters"""
    speaker: str = flag(default="", metavar="NAME")
    """who speaks in all (default: the folder a video lies in)"""
    audio_track: str = flag(default="", metavar="N|LANG")
    """the sound track of a video that is heard: a number from 1, or a language (default: the first with speech)"""
    min_seconds: float = flag(default=_CUTS.min_s, metavar="S", group="cutting")
    """shortest clip, seconds (default: 2)"""
    max_seconds: float = flag(default=_CUTS.max_s, metavar="S")
    """longest clip, seconds (default: 10)"""
    max_pause: float = flag(default=_CUTS.max_pause_s, metavar="S")
    """a longer pause ends a clip, seconds (default: 1)"""
    exact_seconds: float = flag(default=0.0, metavar="S")
    """clips of exactly this length, for lip-to-speech"""
    whole_files: bool = flag(default=False)
    """do not cut: each file is a clip, its text in a .txt beside it"""
    corpus = "video"
    lasting = ("language", "speaker", "audio_track", "min_seconds", "max_seconds", "max_pause", "exact_seconds", "whole_files")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.min_seconds <= self.max_seconds / 2:
            raise UsageError(
                "--max-seconds must be at least twice --min-seconds, or speech without pauses could not be cut",
                found=f"{self.min_seconds:g} and {self.max_seconds:g}",
            )
        if self.exact_seconds < 0 or (self.exact_seconds and frame_at(self.exact_seconds) < 1):
            raise UsageError("--exact-seconds must be at least one frame, 0.04", found=self.exact_seconds)
        if self.exact_seconds and self.whole_files:
            raise UsageError("--whole-files does not go with --exact-seconds")

    @property
    def exact_s(self) -> float:
        """Length of the clips in whole frames, 0 = they are cut at pauses."""
        return float(frames_to_seconds(frame_at(self.exact_seconds)))

    @property
    def least_s(self) -> float:
        """Seconds of the shortest clip that is kept."""
        return self.exact_s or (0.0 if self.whole_files else self.min_seconds)

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each video. Raises InputError if there is none."""
        listing = self.listing()
        texts = {_stem(file): file for file in listing.with_suffix(".txt")}
        seen: set[str] = set()

        for source in listing.videos():
            name = _stem(source)
            if name in seen:
                self.problems[source.name] = "another video has the same name, but for its ending"
                continue
            seen.add(name)
            folders = source.folders or (name,)
            # VoxCeleb has a folder for each person, and in it one for each video: id00012/21Uxsk56VDQ/00001.mp4.
            is_voxceleb = len(folders) > 1 and re.fullmatch(r"id\d{5}", folders[-2])
            speaker = self.speaker or (folders[-2] if is_voxceleb else folders[-1])
            yield CorpusItem(name, Recording(source, speaker, self.language, texts.get(name)))

        if not seen and not self.problems:
            raise InputError("there is no video in this folder", path=self.root, expected=", ".join(VIDEO_SUFFIXES))

    def requests(self, piece: CorpusItem, footage: Footage, journal: Journal) -> list[ClipRequest]:
        """Return the clips of a video; none without speech."""
        if self.whole_files:
            return super().requests(piece, footage, journal)
        pieces = self._stretches(piece.key, footage, journal)
        if not pieces:
            journal.add(ItemRecord(piece.key, "rejected", reason="no speech", detail="no stretch of speech is long enough"))
        recording: Recording = piece.work
        return [recording.clip(f"{piece.key}_{number:04d}", footage, stretch) for number, stretch in enumerate(pieces, 1)]

    def _stretches(self, name: str, footage: Footage, journal: Journal) -> list[FrameStretch]:
        """Return the stretches that become clips; those that are too short or have no frames are recorded as rejected."""
        own, activity = video_frames(footage.video), footage.listen()
        margin_s = min(_CUTS.margin_s, self.max_seconds / 8)
        settings, count = CutSettings(self.min_seconds, self.max_seconds, self.max_pause, margin_s), frame_at(self.exact_s)
        cuts = cut_exactly(activity, self.exact_s, settings) if count else cut_at_pauses(activity, settings)
        seen = [piece for piece in cuts.items if _is_shown(piece, own)]
        if len(seen) < len(cuts.items):
            detail = f"{several(len(cuts.items) - len(seen), 'stretch', 'stretches')} of speech without video of that time"
            journal.add(ItemRecord(f"{name}#unseen", "rejected", reason="no video", detail=detail))

        if count:
            stretches = [(min(max(frame_at(piece.start_s), own.start), own.stop - count), count) for piece in seen]
        else:
            stretches = [_in_frames(piece, own, self.max_seconds) for piece in seen]

        kept = [(first, count) for first, count in stretches if first >= own.start and count >= self.clips.min_frames]
        if num_short := len(cuts.too_short) + len(stretches) - len(kept):
            detail = f"{several(num_short, 'stretch', 'stretches')} of speech too short for a clip"
            journal.add(ItemRecord(f"{name}#short", "rejected", reason="too short", detail=detail))
        return kept


def video_frames(video: MediaSource) -> range:
    """Return the frames of a video at 25 fps, counted on the clock of its file. Raises MediaError if it has fewer than two."""
    info = probe(video)
    if not info.has_video:
        raise MediaError("it has no video track", path=video.path, expected="a video", found="sound only")
    if info.num_frames < 2:
        raise MediaError("it has one frame only", path=video.path, expected="a video")
    first, stop = (frame_at(time) for time in info.video_s)
    return range(first, max(first + 1, stop))


def _whole(footage: Footage, own: range) -> int:
    """Return the number of frames at 25 fps of a whole file: up to its last frame, or up to the end of its sound if there is speech
    after that frame. The last frame is held then, and the clip is rejected for it."""
    end = probe(footage.video).duration_s
    if end - frames_to_seconds(own.stop) <= _UNSEEN_S:
        return own.stop
    unseen = any(stop - _UNSEEN_S > frames_to_seconds(own.stop) for _, stop in footage.listen().regions())
    return frame_at(end) if unseen else own.stop


def _is_shown(piece: Interval, own: range) -> bool:
    """Return whether a stretch of speech has frames, except for a margin at its ends."""
    return frame_at(piece.start_s + _UNSEEN_S) >= own.start and frames_covering(piece.end_s - _UNSEEN_S) <= own.stop


def _in_frames(piece: Interval, own: range, max_s: float) -> FrameStretch:
    """Return the frames that cover a stretch of time, within the video's own frames and at most `max_s` long."""
    first, last = max(frame_at(piece.start_s), own.start), min(frames_covering(piece.end_s), own.stop)
    return first, min(last - first, frame_at(max_s))


def _stem(file: CorpusFile) -> str:
    return PurePosixPath(file.name).with_suffix("").as_posix()


def _text(file: CorpusFile) -> str:
    """Return the transcript in a text file beside a video, without marks in curly brackets: the line that begins with `Text:`, as
    in LRS2 and LRS3, or else the whole file."""
    lines = [" ".join(_MARK.sub(" ", line).split()) for line in normalize("NFC", file.read_text()).splitlines()]
    marked = next((line.removeprefix(_LRS_TEXT).strip() for line in lines if line.startswith(_LRS_TEXT)), None)
    return spoken_form(" ".join(filter(None, lines)) if marked is None else marked)


_COMMAND = Command(VideoCorpus, "netflips prepare video", VideoCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
