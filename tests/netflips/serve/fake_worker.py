"""Stands for the worker process: it speaks its protocol and does next to nothing.

What a job does is said by the text of `netflips say`: `slow` tells progress until it is ended, `fail` complains, `crash` ends the
process, `tone` makes a real recording, anything else is done at once. A portrait's result is its speech, which must be a video. A
dub's is its source, and says the texts of a script without more; one with a held frame is hardly understood, one with a label
fails once its texts are known.
"""

import json
import math
import os
import shutil
import struct
import sys
import time
import wave
from pathlib import Path


def tell(**content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def report(source: str, is_bad: bool, says_script: bool = False) -> str:
    places = [{"start_s": 0.0, "end_s": 1.0}, {"start_s": 1.25, "end_s": 1.96}]
    fit = {"output": {"start_s": 0.0, "end_s": 1.0}, "units": 9, "spoken_s": 1.0}
    quality = {"words": "not_understood", "share": 0.11, "lost": 1} if is_bad else {"words": "sure", "share": 1.0}
    same = {"speaker": "speaker 1", "target": {"kind": "translated", "score": -0.5}, "fit": fit, "quality": quality}
    utterances = [{"number": number, "place": place, **same} for number, place in enumerate(places, 1)]
    if says_script:
        given = json.loads(Path("script.json").read_text(encoding="utf-8"))["utterances"]
        utterances = [one | {"number": number, "fit": fit, "quality": quality} for number, one in enumerate(given, 1)]
    media = {"path": source, "duration_s": 2.44, "width": 480, "height": 360, "frame_rate": 25.0, "audio_rate": 16000}
    made = {"output": "result.mp4", "duration_s": 2.44, "frames": 49, "work": {"folder": "w", "made": {"speech": 2}}}
    script = {"format": "netflips-script-3", "source": "en", "target": "ko", "media": media, "speakers": [{"name": "speaker 1"}]}
    terms = [{"word": "Emily", "spoken": "", "proposed": "에밀리"}, {"word": "NASA", "spoken": "나사"}]
    return json.dumps(script | {"utterances": utterances, "made": made, "terms": terms})


def do(words: list[str]) -> int:
    Path("log.txt").write_text("")
    for done in range(5):
        tell(stage="speech", done=done, total=1000)
    if words[0] == "say":
        text = Path("text.txt").read_text(encoding="utf-8").strip()
        if text == "fail":
            tell(note={"code": "unknown_here", "values": {"text": "odd"}, "numbers": [], "differ": False})
            tell(note={"code": "font_lacks", "values": {"signs": "text.txt"}, "numbers": [], "differ": False})
            failed = {"error": {"what": "it cannot be said", "path": "text.txt", "expected": "words"}, "lasts": True}
            tell(note={"code": "failed", "values": failed, "numbers": []})
            return 2
        if text == "long":
            tell(note={"code": "odd", "values": {"text": "odd", "cues": list(range(50_000))}, "numbers": [], "differ": False})
        if text == "crash":
            os._exit(9)
        if text == "slow":
            Path(".half.wav").write_bytes(b"half")
            for done in range(5, 1000):
                tell(stage="speech", done=done, total=1000)
                time.sleep(0.02)
        if text == "tone":  # half a second of 440 Hz
            with wave.open("result.wav", "wb") as out:
                out.setparams((1, 2, 24000, 0, "NONE", ""))
                out.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n * 440 / 24000 * math.tau))) for n in range(12000)))
            return 0
        Path("result.wav").write_bytes(b"RIFF" + text.encode())
    elif words[0] == "portrait":
        shutil.copy("speech.mp4", "result.mp4")
    elif words[0] == "dub":
        is_bad = "--config" in words and "freeze_frame" in Path("options.yaml").read_text(encoding="utf-8")
        told = {"en": "not understood (11%)", "ko": "이해하지 못함 (11%)"} if is_bad else {"en": "understood: sure", "ko": "이해함"}
        verdict = {"words": "not_understood" if is_bad else "sure", "share": 0.11 if is_bad else 1.0, "causes": [], "text": told}
        Path(words[words.index("--verdict") + 1]).write_text(json.dumps(verdict), encoding="utf-8")
        if "--draft" in words:
            Path(words[words.index("--draft") + 1]).write_text(report(words[1], is_bad), encoding="utf-8")
            return 0
        if "--burn-label" in words:
            tell(
                note={
                    "code": "failed",
                    "values": {"error": {"what": "no face was found", "path": "source.mp4"}, "lasts": True},
                    "numbers": [],
                }
            )
            return 2
        shutil.copy(words[1], words[words.index("--out") + 1])
        if "--publish" in words:
            Path("publish").mkdir()
            Path("publish/result.ko.txt").write_text("text", encoding="utf-8")
        if "--config" in words and "stems" in Path("options.yaml").read_text(encoding="utf-8"):
            Path("stems").mkdir()
            Path("stems/a.wav").write_bytes(b"RIFF")
            Path("result.otio").write_text("{}", encoding="utf-8")
        says_script = "--script-in" in words and Path("script.json").is_file()
        Path("report.json").write_text(report(words[1], is_bad, says_script), encoding="utf-8")
        Path("report.html").write_text("<!doctype html><title>report</title>", encoding="utf-8")
    return 0


tell(ready=True)
for line in sys.stdin:
    job = json.loads(line)
    os.chdir(job["folder"])
    tell(end=do(job["words"]))
