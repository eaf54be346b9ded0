"""Reports, videos and a reader of pages for the tests of the report's page."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from avcore.media import VideoWriter
from netflips.options import DubOptions
from netflips.report import report_script
from netflips.script.build import settings_told
from netflips.script.types import Script

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


def utterance(number: int, start: float, end: float, **changes: Any) -> dict[str, Any]:
    """An utterance that fits its place, as the JSON of reports had it before there were scripts."""
    plain = {
        "number": number, "speaker": "speaker 1", "source_start_s": start, "source_end_s": end, "output_start_s": start,
        "output_end_s": end, "left_alone": "", "source_units": 50, "target_units": 40, "translation_score": -1.25,
        "natural_s": (end - start) / 0.91, "spoken_s": end - start, "factor": 0.91, "slack_s": 0.0, "in_pause_s": 0.0,
        "overrun_s": 0.0, "held_s": 0.0, "is_truncated": False, "pictures": 25, "drawn": 25, "left": {}, "tracks": [],
    }  # fmt: skip
    return plain | changes


def dub_report(source: Path, output: Path, seconds: float, utterances: list[dict[str, Any]] | None, **changes: Any) -> Script:
    """The script of a dub out of a report of before; utterances: None for a short clip."""
    recording = utterances and {
        "utterances": utterances, "part": [0.0, seconds], "frame_rate": 25.0, "is_variable_rate": False, "audio_rate": 16000,
        "audio_channels": 1, "background": "keep", "background_audio": "", "scene_cuts": [2.5], "work_dir": "x.work",
        "work": {"speech": {"kept": 1, "made": 3}}, "work_bytes": 9,
    }  # fmt: skip
    plain = {
        "version": "0.1.0", "input": str(source), "output": str(output), "source_language": "en", "target_language": "ko",
        "modalities": "audio,video", "input_s": seconds, "output_s": seconds, "width": WIDTH, "height": HEIGHT, "has_grown": False,
        "num_pictures": int(seconds * 25), "pictures_with_face": 25, "source_units": 50, "target_units": 40, "target_steps": 200,
        "translation_score": -1.25, "is_truncated": False, "voice": "the source's",
        "fingerprints": {"av2unit": "sha256:0123", "unit2unit": "sha256:4567", "unit2av": "sha256:89ab"},
        "stages": [{"name": "faces", "seconds": 3.0, "x_real_time": 1.3}, {"name": "speech", "seconds": 1.0, "x_real_time": 4.0}],
        "warnings": [], "faces": [], "recording": recording or None,
    }  # fmt: skip
    return report_script(plain | changes)


def with_settings(script: Script, options: DubOptions) -> Script:
    """The same as if it had been made with some options."""
    return replace(script, made=replace(script.result, settings=settings_told(options)))


def four_utterances(source: Path, output: Path) -> Script:
    """The report of a recording of 4 s with four utterances, one of which was left alone."""
    read = {"heard_text": "Where <is> it?", "heard_confidence": 0.943, "said_text": "어디예요?", "said_confidence": 0.9}
    written = {"heard_text": "Over there.", "target_text": "저기요.", "said_text": "저기요."}
    hurried = {"spoken_s": 0.6, "overrun_s": 0.1, "natural_s": 0.6 / 0.7, "face": {"height_px": 60.0, "max_yaw": 0.5}}
    utterances = [
        utterance(1, 0.2, 0.9, slack_s=0.05, **read),
        utterance(2, 1.0, 1.8, output_end_s=1.9, in_pause_s=0.1, is_truncated=True, left={"profile": 5}, drawn=20, **written),
        utterance(3, 2.0, 2.6, speaker="<script>alert(1)</script>", **hurried),
        utterance(4, 3.0, 3.8, left_alone="its translation is empty & void", factor=None, drawn=0),
    ]
    warnings = ["utterance 2: <stopped>", "utterance 4 is left alone: its translation is empty & void"]
    return dub_report(source, output, 4.0, utterances, warnings=warnings)


def numbered(path: Path, count: int, offset: int, hum: float) -> Path:
    """A video whose k-th picture is gray, of brightness 2 (k + offset), and which hums in its second second."""
    sound = np.zeros(count * 640, np.float32)
    sound[16000:32000] = hum * np.sin(np.arange(len(sound[16000:32000])) / 5)
    with VideoWriter(path, WIDTH, HEIGHT, RATE, 16000, preset="ultrafast") as writer:
        writer.write_sound(sound)
        for index in range(count):
            writer.write_picture(np.full((HEIGHT, WIDTH, 3), 2 * (index + offset), np.uint8))
    return path
