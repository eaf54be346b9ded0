"""Reports, videos and a reader of pages for the tests of the report's page."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from avcore.media import VideoWriter
from netflips.report import DubReport, RecordingReport, StageTime, UtteranceReport

VOID = {"meta", "img", "br", "hr", "input"}
WIDTH, HEIGHT, RATE = 160, 120, 25


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
        """All values of an attribute."""
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]

    def anchors(self) -> set[str]:
        """The places within the page that its links lead to."""
        return {value.removeprefix("#") for value in self.values("href") if value.startswith("#")}


def utterance(number: int, start: float, end: float, **changes: Any) -> UtteranceReport:
    """An utterance that fits its place."""
    plain = UtteranceReport(
        number=number,
        speaker="speaker 1",
        source_start_s=start,
        source_end_s=end,
        output_start_s=start,
        output_end_s=end,
        source_units=50,
        target_units=40,
        translation_score=-1.25,
        natural_s=1.1 * (end - start),
        spoken_s=end - start,
        factor=0.91,
        pictures=25,
        drawn=25,
    )
    return replace(plain, **changes)


def dub_report(source: Path, output: Path, seconds: float, utterances: list[UtteranceReport] | None, **changes: Any) -> DubReport:
    """The report of a dub; utterances: None for a short clip."""
    recording = utterances and RecordingReport(
        tuple(utterances),
        (0.0, seconds),
        25.0,
        False,
        16000,
        1,
        "keep",
        "",
        (2.5,),
        "x.work",
        {"speech": {"kept": 1, "made": 3}},
        9,
    )
    plain = DubReport(
        version="0.1.0", input=str(source), output=str(output), source_language="en", target_language="ko",
        modalities="audio,video", input_s=seconds, output_s=seconds, width=WIDTH, height=HEIGHT, has_grown=False,
        num_pictures=int(seconds * 25), pictures_with_face=25, source_units=50, target_units=40, target_steps=200,
        translation_score=-1.25, is_truncated=False, voice="the source's",
        fingerprints={"av2unit": "sha256:0123", "unit2unit": "sha256:4567", "unit2av": "sha256:89ab"},
        stages=(StageTime("faces", 3.0, 1.3), StageTime("speech", 1.0, 4.0)), warnings=(), recording=recording or None,
    )  # fmt: skip
    return replace(plain, **changes)


def four_utterances(source: Path, output: Path) -> DubReport:
    """The report of a recording of 4 s with four utterances, one of which was left alone."""
    utterances = [
        utterance(
            1,
            0.2,
            0.9,
            slack_s=0.05,
            heard_text="Where <is> it?",
            heard_confidence=0.943,
            said_text="어디예요?",
            said_confidence=0.9,
        ),
        utterance(
            2,
            1.0,
            1.8,
            output_end_s=1.9,
            in_pause_s=0.1,
            is_truncated=True,
            left={"profile": 5},
            drawn=20,
            heard_text="Over there.",
            target_text="저기요.",
            said_text="저기요.",
        ),
        utterance(
            3, 2.0, 2.6, factor=0.7, is_hurried=True, speaker="<script>alert(1)</script>", face={"height_px": 60.0, "max_yaw": 0.5}
        ),
        utterance(4, 3.0, 3.8, left_alone="its translation is empty & void", factor=None, drawn=0),
    ]
    return dub_report(
        source,
        output,
        4.0,
        utterances,
        warnings=("utterance 2: <stopped>", "utterance 4 is left alone: its translation is empty & void"),
    )


def numbered(path: Path, count: int, offset: int, hum: float) -> Path:
    """A video whose k-th picture is gray, of brightness 2 (k + offset), and which hums in its second second."""
    sound = np.zeros(count * 640, np.float32)
    sound[16000:32000] = hum * np.sin(np.arange(len(sound[16000:32000])) / 5)
    with VideoWriter(path, WIDTH, HEIGHT, RATE, 16000, preset="ultrafast") as writer:
        writer.write_sound(sound)
        for index in range(count):
            writer.write_picture(np.full((HEIGHT, WIDTH, 3), 2 * (index + offset), np.uint8))
    return path
