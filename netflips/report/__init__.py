"""What was done: for a person in a few lines, for machines as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from avcore.answers import SpeakerVoice
from avcore.contracts import Voice
from avcore.files import write_text
from avcore.plain_text import json_text, ranges, several, shown
from avcore.understanding import Understanding
from avcore.units.domain import Domain
from netflips.cascade.options import TEXT, UNITS


@dataclass(frozen=True)
class StageTime:
    """seconds: wall time of a stage. x_real_time: seconds of media made or read for each second it took."""

    name: str
    seconds: float
    x_real_time: float


@dataclass(frozen=True)
class UtteranceReport:
    """What became of one utterance. Times in seconds; `source_*` in the recording, `output_*` in the result.

    unit_confidence: mean log-probability of its units. is_outside_domain: it is hardly what the models were made for; None =
    they do not say what that is. notice: what a user is to be told of that, "" = nothing. understood: how much of it is understood;
    None = a report of before. units_from: what the units were
    taken from, "sound and lips", "sound" or "lips", "" = not said; units_why: why, a sentence, "" = nothing to say. natural_s:
    length of the new speech as predicted; factor: by which it was stretched; spoken_s: its length then. slack_s: of the slot
    left silent. in_pause_s: spoken in the pause after it. overrun_s: what fitted neither; held_s: for how long the picture was
    held for it; is_hurried: it was spoken faster than the bounds say; cut_s: what even that did not save. pictures: of its
    time, in the source's own; drawn: those with a new mouth; left: how many were left as they were, by reason. unseen: why
    nobody was shown saying it, "" = somebody was. evidence: how much that face looked like saying it (1.6 for a real talker,
    about 0 for a listener), None = none was looked for. face: quality of the face that was followed. pitch_hz: as in DubReport,
    of this speaker. target_text: the text that it is spoken from, not translated, "" = it was translated. said_by: whose
    speech was given for it, a program or a file, "" = none was. heard_text, said_text:
    what the text reader read off its units in both languages (the latter is target_text where there is one), "" = nothing was
    read; *_confidence: how sure it is of that, 0 to 1, None = it was not read. left_alone: why the whole utterance stayed as it
    was, "" = it did not.
    """

    number: int
    speaker: str
    source_start_s: float
    source_end_s: float
    output_start_s: float
    output_end_s: float
    left_alone: str = ""
    source_units: int = 0
    target_units: int = 0
    translation_score: float | None = None
    unit_confidence: float | None = None
    is_outside_domain: bool | None = None
    notice: str = ""
    understood: Understanding | None = None
    units_from: str = ""
    units_why: str = ""
    is_truncated: bool = False
    natural_s: float = 0.0
    spoken_s: float = 0.0
    factor: float | None = None
    slack_s: float = 0.0
    in_pause_s: float = 0.0
    overrun_s: float = 0.0
    held_s: float = 0.0
    is_hurried: bool = False
    cut_s: float = 0.0
    pictures: int = 0
    drawn: int = 0
    left: dict[str, int] = field(default_factory=dict)
    unseen: str = ""
    evidence: float | None = None
    face: dict[str, float] = field(default_factory=dict)
    pitch_hz: float | None = None
    target_text: str = ""
    said_by: str = ""
    heard_text: str = ""
    heard_confidence: float | None = None
    said_text: str = ""
    said_confidence: float | None = None
    tracks: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class RecordingReport:
    """What is to be said of a recording of several utterances.

    part: from and to, in the recording (s). frame_rate: of the output, average. scene_cuts: in the recording (s). work:
    for each stage how many pieces were kept from before and how many were made. work_bytes: what the work folder holds.
    """

    utterances: tuple[UtteranceReport, ...]
    part: tuple[float, float]
    frame_rate: float
    is_variable_rate: bool
    audio_rate: int
    audio_channels: int
    background: str
    background_audio: str
    scene_cuts: tuple[float, ...]
    work_dir: str
    work: dict[str, dict[str, int]]
    work_bytes: int


@dataclass(frozen=True)
class DubReport:
    """One dub. Times in seconds, sizes in pixels, units in steps of 20 ms where it says steps."""

    version: str
    input: str
    output: str
    source_language: str
    target_language: str
    modalities: str
    input_s: float
    output_s: float
    width: int
    height: int
    has_grown: bool
    """An odd side grew by a repeated row or column, because H.264 in 4:2:0 has none."""
    num_pictures: int
    pictures_with_face: int
    """Those with a new mouth."""
    source_units: int
    target_units: int
    target_steps: int
    translation_score: float | None
    """Mean log-probability of a unit of the translation; None = nothing was translated."""
    is_truncated: bool
    voice: str
    fingerprints: dict[str, str]
    stages: tuple[StageTime, ...]
    warnings: tuple[str, ...]
    faces: tuple[dict[str, Any], ...] = ()
    timing: str = "free"
    recording: RecordingReport | None = None
    unit_confidence: float | None = None
    pitch_hz: float | None = None
    """Median pitch that the dub speaks at, the speaker's own; None = it was not measured, or the voice has none to set."""
    is_outside_domain: bool | None = None
    """Whether any of it is hardly what the models were made for; None = they do not say what that is."""
    units_from: str = ""
    """What the units were taken from: "sound and lips", "sound" or "lips"; "" = it differs or is not said."""
    units_why: str = ""
    """Why they were taken from that, a sentence; "" = nothing to say."""
    usual_confidence: float | None = None
    """What nearly all speech that the models were made for reaches in `unit_confidence`; None = they do not say."""
    usual_score: float | None = None
    """The same of `translation_score`."""
    mouth: str = "units"
    """What moved the lips: units, wav2lip or mesh."""
    road: str = UNITS
    """Over what it was translated: units, or text."""
    heard_text: str = ""
    """Of a short clip, as in `UtteranceReport`; so are the next three."""
    heard_confidence: float | None = None
    said_text: str = ""
    said_confidence: float | None = None
    left: dict[str, int] = field(default_factory=dict)
    """Of a short clip: how many pictures with a face were left as they were, by reason."""
    understood: Understanding | None = None
    """How much of it is understood; None = a report of before."""
    peak_memory_bytes: int | None = None
    """The most that the process held until the dub was done, models and earlier dubs of the run too; None = not known."""

    def as_json(self) -> str:
        """The report as JSON."""
        return json_text(self.as_dict(), indent=2)

    def as_dict(self) -> dict[str, Any]:
        """The report as it goes into JSON: what is most worth knowing first."""
        return {"understood": None} | asdict(self)

    def summary(self) -> str:
        """The report in a few lines."""
        lines = [
            f"{self.source_language} -> {self.target_language}: {self.input_s:.2f} s in, {self.output_s:.2f} s out, "
            f"{'over text' if self.road == TEXT else several(self.source_units, 'unit')} -> {several(self.target_units, 'unit')}, "
            f"lips by {self.mouth} in {self.pictures_with_face} of {several(self.num_pictures, 'picture')}"
            + "".join(f", {count} left ({reason})" for reason, count in self.left.items())
        ]
        if self.recording is not None:
            lines += _utterance_lines(self.recording)
        for what, text, sure in (
            ("heard", self.heard_text, self.heard_confidence),
            ("said ", self.said_text, self.said_confidence),
        ):
            if text:
                lines.append(f"  {what}: {shown(text)}" + ("" if sure is None else f" (confidence {sure:.2f})"))
        if self.pitch_hz is not None:
            lines.append(f"  spoken at the speaker's own pitch, {self.pitch_hz:.0f} Hz")
        lines += [f"  {stage.name:<12} {stage.seconds:7.2f} s  {stage.x_real_time:7.2f} x real time" for stage in self.stages]
        if self.has_grown:
            lines.append(f"  the picture grew to {self.width}x{self.height}: an odd side cannot be encoded")
        return "\n".join([*lines, f"written: {shown(self.output)}"])


def spoken_pitch_hz(vocoder: Voice, voice: SpeakerVoice) -> float | None:
    """The median pitch in Hz that a vocoder was told to speak at; None where it cannot be told."""
    return round(voice.pitch.hz, 1) if vocoder.takes_pitch and voice.pitch is not None else None


def least_of(domain: Domain | None) -> float | None:
    """The score that is usual in a domain, for a report; None where there is none."""
    return None if domain is None else domain.least


def _utterance_lines(recording: RecordingReport) -> list[str]:
    spoken = [one for one in recording.utterances if not one.left_alone]
    lines = [f"  {len(spoken)} of {several(len(recording.utterances), 'utterance')} dubbed in place"]
    factors = [one.factor for one in spoken if one.factor is not None]
    if factors:
        lines[0] += f", at {min(factors):.2f} to {max(factors):.2f} of their natural length"
    for what, numbers in (
        ("spoken faster than the pace allows", [one.number for one in spoken if one.is_hurried]),
        ("with the picture held", [one.number for one in spoken if one.held_s]),
        ("cut", [one.number for one in spoken if one.cut_s]),
        ("left alone", [one.number for one in recording.utterances if one.left_alone]),
    ):
        if numbers:
            lines.append(f"  {what}: {ranges(numbers)}")
    lines.append(f"  finished work: {shown(recording.work_dir)} ({recording.work_bytes / 1e6:.0f} MB)")
    return lines


def report_from(content: Mapping[str, Any]) -> DubReport:
    """A report again from its JSON object."""
    recording = content.get("recording")
    if recording is not None:
        utterances = tuple(
            UtteranceReport(**(one | {"tracks": tuple(one["tracks"])} | _understood(one))) for one in recording["utterances"]
        )
        tuples = {name: tuple(recording[name]) for name in ("part", "scene_cuts")}
        recording = RecordingReport(**(recording | tuples | {"utterances": utterances}))
    tuples = {name: tuple(content[name]) for name in ("warnings", "faces")}
    stages = tuple(StageTime(**stage) for stage in content["stages"])
    return DubReport(**(dict(content) | tuples | _understood(content) | {"stages": stages, "recording": recording}))


def _understood(content: Mapping[str, Any]) -> dict[str, Understanding | None]:
    return {"understood": Understanding.from_json(content.get("understood"))}


def write_reports(path: Path, reports: list[DubReport], failures: dict[str, str]) -> None:
    """Write the reports of a run as JSON: one object for one input, else a list under `dubs` with the failures."""
    if len(reports) == 1 and not failures:
        write_text(path, reports[0].as_json())
        return
    content = {"dubs": [report.as_dict() for report in reports], "failures": failures}
    write_text(path, json_text(content, indent=2))
