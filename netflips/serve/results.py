"""What came out of a job, as the page shows it: files, the utterances of a dub, how result and source belong together, figures."""

import io
import json
import shlex
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avcore.errors import NetflipsError
from avcore.texts import read_json
from netflips.report import DubReport, UtteranceReport, report_from
from netflips.report.story import stretches_of, utterances_of
from netflips.report.words import is_trouble
from netflips.serve.jobs import DONE, LOG_FILE, Job
from netflips.serve.kinds import KINDS

_REPORT = "report.json"
_MOST_TEXT = 1 << 20
_SPEAKERS = "speakers.json"
_IN_PROJECT = ("report.json", "report.html", "segments.json", _SPEAKERS, "text.txt")


def files_of(job: Job, folder: Path) -> list[dict[str, Any]]:
    """The files of a job that a visitor may have, its own first, by our names. Nothing else in the folder is served."""
    made = [(one.name, one.shows) for one in KINDS[job.kind].files] if job.kind in KINDS and job.state == DONE else []
    given = [(name, "given") for name in job.names.values()]
    return [
        {"name": name, "shows": shows, "bytes": (folder / name).stat().st_size, "as": _download_name(job, name)}
        for name, shows in [*made, *given]
        if (folder / name).is_file() and not (folder / name).is_symlink()
    ]


def _download_name(job: Job, name: str) -> str:
    """How a file is called when it is saved: after the visitor's own file."""
    if name in job.shown:
        given, suffix = job.shown[name], Path(name).suffix
        return given if Path(given).suffix.lower() == suffix else f"{given}{suffix}"  # as what it was taken in
    return f"{Path(job.title).stem}.{name}"


def results(job: Job, folder: Path) -> dict[str, Any]:
    """All that the page shows of a job that is over."""
    found: dict[str, Any] = {"files": files_of(job, folder), "warnings": job.warnings, "values": job.values, "uploads": job.uploads}
    if job.state != DONE:
        return found
    report = _report(folder / _REPORT)
    if report is not None:
        found |= _dubbed(*report, _named(folder / _SPEAKERS))
    for one in found["files"]:
        if one["shows"] in ("text", "figures", "answer") and one["bytes"] <= _MOST_TEXT:
            text = (folder / one["name"]).read_text(encoding="utf-8", errors="replace")
            found["text"] = job.in_visitors_words(text) if one["name"] == LOG_FILE else text
    return found


def _report(path: Path) -> tuple[DubReport, Mapping[str, Any]] | None:
    """A dub's report, as it is and as its JSON; None where there is none that can be read."""
    try:
        content = read_json(path, "the report")
        return report_from(content), content
    except (NetflipsError, TypeError, KeyError, ValueError):
        return None


def _named(path: Path) -> Mapping[str, str]:
    """The speakers that a visitor named, by number of the utterance; a later correction says them again."""
    if not path.is_file():
        return {}
    named: Mapping[str, str] = read_json(path, "the speakers")["utterances"]
    return named


def _dubbed(report: DubReport, content: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, Any]:
    utterances = utterances_of(report)
    rows = (content.get("recording") or {}).get("utterances") or [content] * len(utterances)
    dubbed = [one for one in utterances if not one.left_alone]
    work = {} if report.recording is None else report.recording.work
    return {
        "languages": [report.source_language, report.target_language],
        "is_recording": report.recording is not None,
        "stretches": [[round(value, 3) for value in one] for one in stretches_of(report)],
        "utterances": [
            _row(one, row) | {"named": named.get(str(one.number), "")} for one, row in zip(utterances, rows, strict=True)
        ],
        "work": {stage: dict(counts) for stage, counts in work.items()},
        "figures": {
            "utterances": len(utterances), "dubbed": len(dubbed), "input_s": report.input_s, "output_s": report.output_s,
            "pictures": report.num_pictures, "with_face": report.pictures_with_face, "mouth": report.mouth,
            "hurried": sum(one.is_hurried for one in dubbed), "cut": sum(bool(one.cut_s) for one in dubbed),
            "outside": sum(bool(one.is_outside_domain) for one in dubbed), "confidence": report.unit_confidence,
            "usual_confidence": report.usual_confidence, "score": _number(report.translation_score),
            "usual_score": report.usual_score, "pitch_hz": report.pitch_hz, "took_s": sum(one.seconds for one in report.stages),
        },
    }  # fmt: skip


def _row(one: UtteranceReport, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the review. fit: share of its natural length that the new speech has; None = it was not fitted."""
    is_told = row.get("translation_score") is None
    return {
        "number": one.number, "speaker": one.speaker, "start_s": one.source_start_s, "end_s": one.source_end_s,
        "output_start_s": one.output_start_s, "output_end_s": one.output_end_s, "heard": str(row.get("heard_text") or ""),
        "said": str(row.get("said_text") or one.target_text), "told": one.target_text if is_told else "",
        "confidence": _number(one.unit_confidence), "score": _number(one.translation_score), "fit": _number(one.factor),
        "trouble": is_trouble(one), "notice": one.notice, "left_alone": one.left_alone, "unseen": one.unseen,
    }  # fmt: skip


def _number(value: float | None) -> float | None:
    """A number that JSON has."""
    return value if value is not None and value == value and abs(value) != float("inf") else None


def project(job: Job, folder: Path) -> bytes:
    """A zip of what another dub or another program goes on with: times, texts, speakers, the report, and the command itself."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        names = [*_IN_PROJECT, *(one["name"] for one in files_of(job, folder) if one["name"].endswith((".srt", ".vtt", ".txt")))]
        for name in dict.fromkeys(names):
            if (folder / name).is_file():
                archive.write(folder / name, name)
        if not (folder / "segments.json").is_file() and (report := _report(folder / _REPORT)) is not None:
            archive.writestr("segments.json", _segments(report[0]))
        archive.writestr("command.txt", f"netflips {shlex.join(_without_places(job))}\n")
        archive.writestr("files.json", json.dumps(job.shown, ensure_ascii=False, indent=1) + "\n")
    return packed.getvalue()


def _segments(report: DubReport) -> str:
    """Times and texts as `--segments-in` takes them."""
    rows = [
        {"start_s": one.source_start_s, "end_s": one.source_end_s} | ({"target_text": one.target_text} if one.target_text else {})
        for one in utterances_of(report)
    ]
    return json.dumps({"utterances": rows}, ensure_ascii=False, indent=1) + "\n"


def _without_places(job: Job) -> list[str]:
    """The command line without paths of this machine: of models only their files' names."""
    return [Path(word).name if Path(word).is_absolute() or word.startswith("..") else word for word in job.words]
