"""Reports, videos and a reader of pages for the tests of the report's page."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from avcore.contracts import Word
from avcore.media import VideoWriter
from avcore.notes import Note
from avcore.timeline import Interval
from netflips.dubbing.options import DubOptions
from netflips.quality_estimation import QualityEstimate
from netflips.script.notes import CUT
from netflips.script.targets import Text, TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Made, Media, ModelUsed, Script, SpeakerOf, Timing, WorkKept
from netflips.script.utterance import DrawnFrames, FaceQuality, SeenFaces, Slot, SourceUnits, TimeFit, Utterance

VOID = {"meta", "img", "br", "hr", "input"}
WIDTH, HEIGHT, RATE = 160, 120, 25
TIMES = {"output", "units", "natural_s", "spoken_s", "overrun_s", "freeze_s", "cut_s", "slot"}
SPEAKERS = (SpeakerOf("speaker 1"),)


class Reader(HTMLParser):
    """Reads a page and complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.text += data if not self.open or self.open[-1] not in ("style", "script") else ""

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]

    def anchors(self) -> set[str]:
        """The places within the page that its links lead to."""
        return {value.removeprefix("#") for value in self.values("href") if value.startswith("#")}


_LINES = {"p", "li", "tr", "h1", "h2", "h3", "h4", "section", "div", "figure", "summary", "dt", "article", "footer", "header"}


class Outline(HTMLParser):
    """What a page says, a line a paragraph or row: cells are parted by |, and a link within the page says where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._parts, self._skipped = list[str](), 0
        self.feed(text)
        lines = (" ".join(line.split()).strip("| ") for line in "".join(self._parts).split("\n"))
        self.text = "".join(f"{line}\n" for line in lines if line)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self._skipped += name in ("style", "script")
        href = dict(attributes).get("href") or ""
        cell = " | " if name in ("td", "th", "dd") else f" {href} " if href.startswith("#") else ""
        self._parts.append("\n" if name in _LINES else cell)

    def handle_endtag(self, name: str) -> None:
        self._skipped -= name in ("style", "script")
        self._parts.append("\n" if name in _LINES else "")

    def handle_data(self, data: str) -> None:
        self._parts.append("" if self._skipped else data.replace("\n", " "))


def utterance(number: int, start: float, end: float, **changes: Any) -> Utterance:
    """An utterance that fits its place: its speech would be longer by itself. changes: of the utterance, or of its `TimeFit`."""
    fit = TimeFit(Interval(start, end), 40, natural_s=(end - start) / 0.91, spoken_s=end - start, slot=Slot(end - start))
    fit = replace(fit, **{name: changes.pop(name) for name in TIMES & changes.keys()})
    heard = SourceUnits(UnitList((0,) * 50), confidence=changes.pop("confidence", None))
    plain = {"source_units": heard, "target": TranslatedUnits(score=-1.25), "fit": fit, "drawn": DrawnFrames(25, 25)}
    return Utterance(number, Interval(start, end), **{"speaker": "speaker 1", "seen": SeenFaces(), **plain, **changes})


def left_alone(number: int, start: float, end: float, reason: str) -> Utterance:
    note = Note("left_alone", {"reason": reason, "is_reported": True})
    return utterance(number, start, end, fit=None, drawn=DrawnFrames(25), notes=(note,))


def read(text: str, confidence: float) -> Text:
    return Text(text, by="reader", words=(Word(text, 0.0, 0.0, confidence),))


def dub_report(source: Path, output: Path, seconds: float, utterances: list[Utterance] | None, **changes: Any) -> Script:
    """The script of a dub. utterances: None for a short clip. changes: of what was made."""
    parts = {"av2unit": "sha256:0123", "unit2unit": "sha256:4567", "unit2av": "sha256:89ab"}
    plain = {
        "version": "0.1.0", "output": str(output), "duration_s": seconds, "width": WIDTH, "height": HEIGHT, "lips": "units",
        "frames": int(seconds * 25), "models": tuple(ModelUsed(part, fingerprint) for part, fingerprint in parts.items()),
        "settings": {"modalities": "audio,video", "background": "keep"} if utterances else {"modalities": "audio,video"},
        "timings": (Timing("faces", 3.0, utterances is None), Timing("speech", 1.0)),
        "work": WorkKept("x.work", 9, {"speech": 1}, {"speech": 3}) if utterances else None,
    }  # fmt: skip
    made = Made(**plain | changes)
    if utterances is None:
        fit = TimeFit(Interval(0.0, made.duration_s), 40, natural_s=made.duration_s, spoken_s=made.duration_s)
        utterances = [utterance(1, 0.0, seconds, fit=fit, drawn=DrawnFrames(made.frames, 25))]
        return Script(
            "en",
            "ko",
            "ping_pong",
            Media(str(source), duration_s=seconds, frame_rate=25.0),
            speakers=SPEAKERS,
            utterances=tuple(utterances),
            made=made,
        )
    media = Media(str(source), duration_s=seconds, frame_rate=25.0, audio_rate=16000, audio_channels=1)
    return Script("en", "ko", "own", media, (2.5,), speakers=SPEAKERS, utterances=tuple(utterances), made=made)


def with_settings(script: Script, options: DubOptions) -> Script:
    return replace(script, made=replace(script.result, settings=options.asked))


def four_utterances(source: Path, output: Path) -> Script:
    """The report of a recording of 4 s with four utterances, one of which was left alone."""
    spoken = TranslatedUnits(score=-1.25, is_truncated=True, reading=read("어디예요?", 0.9))
    truncated = Note("truncated", {"units": 40})
    quality, fast = FaceQuality(height_px=60.0, max_yaw=0.5), {"spoken_s": 0.6, "overrun_s": 0.1, "natural_s": 0.6 / 0.7}
    utterances = [
        utterance(1, 0.2, 0.9, text=read("Where <is> it?", 0.943), target=spoken, slot=Slot(0.75)),
        utterance(
            2, 1.0, 1.8, output=Interval(1.0, 1.9), spoken_s=0.9, slot=Slot(0.8, 0.1), notes=(truncated,),
            drawn=DrawnFrames(25, 20, {"profile": 5}), text=Text("Over there."), target=WrittenText("저기요."),
        ),
        utterance(3, 2.0, 2.6, speaker="<script>alert(1)</script>", seen=SeenFaces(quality=quality), **fast),
        left_alone(4, 3.0, 3.8, "its translation is empty & void"),
    ]  # fmt: skip
    return replace(dub_report(source, output, 4.0, utterances), notes=(Note("report_lacks", {"what": "<stopped>", "error": "x"}),))


USUAL = (ModelUsed("av2unit", "sha256:0123", -0.1), ModelUsed("unit2unit", "sha256:4567", -0.1))


def outside(script: Script, number: int, confidence: float, among: int) -> Script:
    """The same with a note that an utterance is outside of what the models know."""
    readings = [{"name": "the encoder's confidence", "score": confidence, "usual": -0.1, "of": "least"}]
    note = Note("outside", {"what": "that", "at": "", "readings": readings, "cause": "", "among": among})
    utterances = (replace(one, notes=(*one.notes, note)) if one.number == number else one for one in script.utterances)
    return replace(script, utterances=tuple(utterances))


def told_recording(source: Path, output: Path) -> Script:
    """A recording of which a page has all to say: verdict, texts, doubts with what is usual, notes, pace, holds, two voices."""
    bad, quality = QualityEstimate("not_understood", 0.17, ("outside",)), FaceQuality(0.9, 60.0, 80.0, 0.5, 0.1)
    script = four_utterances(source, output)
    full = utterance(
        5, 4.0, 4.9, text=read("hello", 0.9), target=TranslatedUnits(score=-1.25, reading=read("안녕하세요", 0.8)),
        seen=SeenFaces(evidence=1.7, quality=quality), drawn=DrawnFrames(25, 23, {"profile": 2}), cut_s=0.1, slot=Slot(1.0),
        source_units=SourceUnits(UnitList((0,) * 50), "video", -0.5, reason="other_lips"), output=Interval(3.6, 4.5), quality=bad,
        notes=(Note("truncated", {"units": 40}), CUT(units=5)),
    )  # fmt: skip
    held = {"spoken_s": 1.1, "overrun_s": 0.1, "freeze_s": 0.1, "slot": Slot(0.9, 0.1)}
    longer = utterance(6, 5.0, 5.9, target=WrittenText("안녕히 가세요"), **held)
    media = Media(str(source), duration_s=6.0, frame_rate=25.0, audio_rate=16000, audio_channels=1)
    speakers, made = (SpeakerOf("speaker 1", pitch_hz=118.0),), replace(script.result, models=USUAL, duration_s=6.0)
    utterances = (*script.utterances, full, longer)
    script = replace(script, media=media, speakers=speakers, utterances=utterances, quality=bad, made=made)
    for number, confidence in ((1, -0.5), (2, -0.3), (5, -0.5)):
        script = outside(script, number, confidence, 6)
    return with_settings(script, DubOptions(beam=7, label="<i>label</i>"))


def told_clip(source: Path, output: Path) -> Script:
    """A short clip by the demo's bundle, whose lips do not belong to its sound."""
    script = dub_report(source, output, 4.0, None, bundle="the demo bundle")
    heard = SourceUnits(UnitList((0,)), "audio", reason="other_lips")
    return replace(script, utterances=(replace(script.utterances[0], source_units=heard),))


def numbered(path: Path, count: int, offset: int, hum: float) -> Path:
    """A video whose k-th frame is gray, of brightness 2 (k + offset), and which hums in its second second."""
    sound = np.zeros(count * 640, np.float32)
    sound[16000:32000] = hum * np.sin(np.arange(len(sound[16000:32000])) / 5)
    with VideoWriter(path, WIDTH, HEIGHT, RATE, 16000, preset="ultrafast") as writer:
        writer.write_sound(sound)
        for index in range(count):
            writer.write_rgb(np.full((HEIGHT, WIDTH, 3), 2 * (index + offset), np.uint8))
    return path
