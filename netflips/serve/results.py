"""Results of a job as the page shows them: files, the utterances of a dub, and which times of result and source correspond."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import find_bundle
from avcore.errors import NetflipsError, UsageError
from avcore.notes import GroupedNote, Note, sentence
from avcore.texts import read_json
from avcore.timeline import Interval
from avcore.words import LANGUAGES
from netflips.bundles.confidence import confidence_of
from netflips.report.story import OnPage, on_page, output_span, stretches_of
from netflips.script.drawn import lips_drawn
from netflips.script.edit import join, split
from netflips.script.files import script_from
from netflips.script.notes import RECOGNIZED_AGAIN
from netflips.script.targets import SpokenSound, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from netflips.serve.exports import exports_of
from netflips.serve.jobs import ASKS, DONE, DRAFT_FILE, Job, first_draft
from netflips.serve.kinds import KINDS, SPEECH

_REPORT = "report.json"
_MOST_TEXT = 1 << 20
_JUDGED = ("outside", "translation_repeats")
"""Notes that repeat what the quality estimate states."""
_BY_SPEECH = ("unit2unit", "speech", "texts", "frames", "check")
"""Steps of a dub whose time grows with the length of speech."""
_HEARD_TOGETHER_S = 28.0
"""Length of speech that a check recognizes at once: if one sentence changes, all of it is recognized again."""
_HALF = 0.5
_SCRIPTS = ("report.json", DRAFT_FILE)
"""Scripts of a dub and of a draft, which `--script-in` takes."""


def files_of(job: Job, folder: Path) -> list[dict[str, Any]]:
    """Return the files of a job that a visitor may download, its results first, by our names. No other file is served."""
    made = [(file.name, file.shows) for file in KINDS[job.kind].files] if job.kind in KINDS and job.state == DONE else []
    made += [(DRAFT_FILE, "")] if job.state == ASKS else []
    given = [(name, "given") for name in job.names.values()]
    return [
        {"name": name, "shows": shows, "bytes": (folder / name).stat().st_size, "as": _download_name(job, name)}
        for name, shows in [*made, *given]
        # A link might lead to a file of another job, or of the machine.
        if (folder / name).is_file() and not (folder / name).is_symlink()
    ]


def _download_name(job: Job, name: str) -> str:
    """Return the name under which a file is downloaded, after the visitor's own file."""
    if name in job.shown:
        given, suffix = job.shown[name], Path(name).suffix
        return given if Path(given).suffix.lower() == suffix else f"{given}{suffix}"  # as what it was taken in
    if name in _SCRIPTS:
        name = "script.json"
    stem, kind = Path(job.title).stem.rstrip(". "), job.values.get("target", job.kind)
    return f"{stem}_{kind}{name.removeprefix('result')}" if name.startswith("result") else f"{stem}.{name}"


def results(job: Job, folder: Path) -> dict[str, Any]:
    """Return everything that the page shows of a job that is over."""
    warnings = [in_both(note) for note in job.public_notes if note.note.code not in _JUDGED or not job.quality]
    found: dict[str, Any] = {"files": files_of(job, folder), "warnings": warnings, "values": job.values}
    found["uploads"] = {name: one for name, one in job.uploads.items() if name in job.values}
    found["names"] = {one: job.shown.get(job.names.get(name, ""), "") for name, one in job.uploads.items()}

    script = _report(folder / (_REPORT if job.state == DONE else DRAFT_FILE))
    if script is not None:
        machine = _machine_texts(folder)
        found |= {
            "languages": [script.source, script.target],
            "utterances": [_row(one, _asked_of(job, one.number), machine) for one in on_page(script)],
            "terms": [
                term._asdict() | {"spoken": job.values.get("terms", {}).get(term.word, term.spoken)} for term in script.terms
            ],
            "cost": _cost(job, script),
        }

    if job.state != DONE:
        if script is not None and script.quality is not None:  # of a part, it is known apart
            found["quality"] = script.quality.as_json()
        for row, corrected in zip(found.get("utterances", ()), job.values.get("rows", ()), strict=False):
            row |= {"spoken": corrected["spoken"] or row["spoken"], "corrected": corrected["spoken"]}
        return found
    if script is not None:
        if is_badly_recognized(script):
            found["files"] = [one for one in found["files"] if not one["name"].startswith(f"result.{script.source}.")]
        found |= {
            "stretches": [[round(value, 3) for value in one] for one in stretches_of(script)],
            "work": script.result.work_counts,
            "lips": _lips(script),
            "exports": exports_of(folder),
        }

    for one in found["files"]:
        if one["shows"] in ("text", "answer") and one["bytes"] <= _MOST_TEXT:
            found["text"] = (folder / one["name"]).read_text(encoding="utf-8", errors="replace")
    return found


def _lips(script: Script) -> dict[str, Any] | None:
    """Return in how many frames the lips were drawn, in words and as a share; None where none were to be."""
    note = lips_drawn(script)
    return None if note is None else {**in_both(note), "share": note.values["drawn"] / max(note.values["frames"], 1)}


def is_badly_recognized(script: Script) -> bool:
    """Return whether the recognized texts are on average more likely wrong than right; then they are not offered as subtitles."""
    known, shares = confidence_of(find_bundle()), list[float]()
    for utterance in script.utterances:
        if known is not None and utterance.text is not None and utterance.text.confidence is not None:
            table = known.recognition if utterance.text.by == "recognizer" else known.reading
            shares.append(table.share({"confidence": utterance.text.confidence}))
    return sum(shares) < _HALF * len(shares)


@dataclass(frozen=True)
class Edit:
    """An edit of sentences: one is split, or joined with the next one."""

    split: int = 0
    """number of the sentence to split; 0 = none"""
    at_s: float | None = None
    """where, as a time of the original (s); None = at its longest pause"""
    join: int = 0
    """number of the sentence to join with the next one"""

    def of(self, script: Script) -> Script:
        """Return the edited script. Raises UsageError."""
        return split(script, self.split, self.at_s) if self.split else join(script, self.join)


def edited_rows(job: Job, folder: Path, edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """Return the sentences of a dub or its draft after edits, in their order. Raises UsageError."""
    script = _report(folder / (_REPORT if job.state == DONE else DRAFT_FILE))
    if script is None:
        raise UsageError("this job has no sentences")
    asked = {one.source: _asked_of(job, one.number) for one in on_page(script)}

    for edit in edits:
        script = edit.of(script)

    rows, machine = [], _machine_texts(folder)
    for utterance in script.utterances:
        names = [
            row.get("speaker", "") for source, row in asked.items() if source.start_s <= utterance.place.start_s < source.end_s
        ]
        shown = OnPage(utterance, utterance.place, output_span(script, utterance))
        rows.append(_row(shown, asked.get(utterance.place, {"speaker": names[0] if names else ""}), machine))
    return rows


def _asked_of(job: Job, number: int) -> Mapping[str, Any]:
    """Return the visitor's corrections of a sentence."""
    rows = job.values.get("rows", ())
    return rows[number - 1] if number <= len(rows) else {}


def _cost(job: Job, script: Script) -> dict[str, float] | None:
    """Return the measured time of a correction: fixed seconds, and seconds for each second of speech; None = not known."""
    spoken_s = sum(utterance.fit.spoken_s for utterance in script.utterances if utterance.fit is not None)
    spent = {timing.name: timing.seconds for timing in script.result.timings}
    kept = {} if script.result.work is None else script.result.work.kept
    if job.state != DONE or not spent or not spoken_s or kept.get("speech") or kept.get("frames"):
        return None  # speech or frames came from kept work, so their pace was not measured

    by_speech = sum(spent.get(name, 0.0) for name in _BY_SPEECH)
    rest = job.ended_s - job.began_s - sum(spent.values()) + spent.get("read", 0.0) + spent.get("write", 0.0)
    again = spent.get("check", 0.0) * min(_HEARD_TOGETHER_S / spoken_s, 1.0)
    return {"fixed_s": round(max(rest + again, 1.0), 1), "per_s": round(by_speech / spoken_s, 3)}


def in_both(note: GroupedNote | Note) -> dict[str, str]:
    """Return a note in both languages of the page, without flags."""
    return {language: sentence(note, language, hint=False) for language in LANGUAGES}


def _report(path: Path) -> Script | None:
    """Return the script of a dub's report; None where there is no readable one."""
    try:
        return script_from(read_json(path, "the report"))
    except (NetflipsError, TypeError, KeyError, ValueError):
        return None


def _machine_texts(folder: Path) -> dict[Interval, str]:
    """Return the machine's translations by the times of the utterances, those that it could write."""
    draft = first_draft(folder)
    script = None if draft is None else _report(draft)
    shown = () if script is None else on_page(script)
    return {
        one.source: one.utterance.spoken.text for one in shown if one.utterance.spoken is not None and not _corrected(one.utterance)
    }


def _corrected(utterance: Utterance) -> str:
    """Return the text that a person gave an utterance to be spoken, "" = none."""
    return utterance.target.text if isinstance(utterance.target, WrittenText) and utterance.target.by != "cascade" else ""


def track_parts(job: Job, folder: Path) -> dict[Interval, SpokenSound]:
    """Return the parts of a track of speech that a dub or its draft used, by the times of the utterances."""
    script = _report(folder / (_REPORT if job.state == DONE else DRAFT_FILE))
    targets = {utterance.place: utterance.target for utterance in script.utterances} if script is not None else {}
    return {
        place: target
        for place, target in targets.items()
        if place is not None and isinstance(target, SpokenSound) and target.file == job.names.get(SPEECH)
    }


def _row(one: OnPage, asked: Mapping[str, Any], machine: Mapping[Interval, str]) -> dict[str, Any]:
    """Return a sentence of the dub. asked: its visitor's corrections; a later correction has to repeat named and speech.

    machine: the translations of the machine by their times.
    """
    utterance, spoken = one.utterance, one.utterance.spoken
    slot = one.fit.slot
    return {
        "number": one.number, "named": asked.get("speaker", ""), "speech": asked.get("speech", ""), "speaker": one.speaker,
        "start_s": one.source.start_s, "end_s": one.source.end_s,
        "output_start_s": one.output.start_s, "output_end_s": one.output.end_s,
        "recognized": "" if utterance.text is None else utterance.text.doubted, "spoken": "" if spoken is None else spoken.text,
        "corrected": _corrected(utterance), "machine": machine.get(one.source, ""),
        "natural_s": one.fit.natural_s, "slot_s": one.source.seconds if slot is None else slot.length_s,
        "quality": None if utterance.quality is None else utterance.quality.as_json(),
        "checked": None if (checked := utterance.checked) is None or checked.transcript is None else in_both(
            RECOGNIZED_AGAIN(recognized=checked.transcript, right=checked.right, faults=list(checked.reported))
        ),
        "alternatives": [{"spoken": text, "corrected": text, "seconds": seconds} for text, seconds in utterance.offered],
        "too_long_s": 0.0 if utterance.fit is None else utterance.fit.too_long_s,
        "left_alone": None if one.alone is None else in_both(one.alone),
    }  # fmt: skip
