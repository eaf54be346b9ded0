"""What came out of a job, as the page shows it: files, the utterances of a dub, how result and source belong together, figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avcore.errors import NetflipsError
from avcore.notes import LANGUAGES, Note, ToldNote, sentence
from avcore.texts import read_json
from netflips.report import DubReport, report_script
from netflips.report.story import OnPage, on_page, stretches_of
from netflips.script.types import Script, WrittenText
from netflips.serve.jobs import ASKS, DONE, DRAFT_FILE, LOG_FILE, Job
from netflips.serve.kinds import KINDS

_REPORT = "report.json"
_MOST_TEXT = 1 << 20
_JUDGED = ("outside", "translation_repeats")
"""Notes of what the verdict says already."""
_SPEAKERS = "speakers.json"
_SCRIPTS = ("report.json", DRAFT_FILE)
"""Of a dub, and of what it will be: `--script-in` takes them."""


def files_of(job: Job, folder: Path) -> list[dict[str, Any]]:
    """Return the files of a job that a visitor may have, its own first, by our names. Nothing else in the folder is served."""
    made = [(one.name, one.shows) for one in KINDS[job.kind].files] if job.kind in KINDS and job.state == DONE else []
    made += [(DRAFT_FILE, "")] if job.state == ASKS else []
    given = [(name, "given") for name in job.names.values()]
    return [
        {"name": name, "shows": shows, "bytes": (folder / name).stat().st_size, "as": _download_name(job, name)}
        for name, shows in [*made, *given]
        if (folder / name).is_file() and not (folder / name).is_symlink()
    ]


def _download_name(job: Job, name: str) -> str:
    """Return how a file is called when it is saved: after the visitor's own file."""
    if name in job.shown:
        given, suffix = job.shown[name], Path(name).suffix
        return given if Path(given).suffix.lower() == suffix else f"{given}{suffix}"  # as what it was taken in
    if name in _SCRIPTS:
        name = "script.json"
    stem, kind = Path(job.title).stem, job.values.get("target", job.kind)
    return f"{stem}_{kind}{name.removeprefix('result')}" if name.startswith("result") else f"{stem}.{name}"


def results(job: Job, folder: Path) -> dict[str, Any]:
    """Return all that the page shows of a job that is over."""
    told = [in_both(one) for one in job.told_notes if one.note.code not in _JUDGED or not job.understood]
    found: dict[str, Any] = {"files": files_of(job, folder), "warnings": told, "values": job.values, "uploads": job.uploads}
    script = _report(folder / (_REPORT if job.state == DONE else DRAFT_FILE))
    if script is not None:
        found |= _said(script, _named(folder / _SPEAKERS))
    if job.state != DONE:
        if script is not None and script.understood is not None:  # of a part, it is known apart
            found["understood"] = script.understood.as_json()
        for row, corrected in zip(found.get("utterances", ()), job.values.get("rows", ()), strict=False):
            row |= {"said": corrected["said"] or row["said"], "told": corrected["said"]}
        return found
    if script is not None:
        found |= _figures(script)
    for one in found["files"]:
        if one["shows"] in ("text", "answer") and one["bytes"] <= _MOST_TEXT:
            text = (folder / one["name"]).read_text(encoding="utf-8", errors="replace")
            found["text"] = job.in_visitors_words(text) if one["name"] == LOG_FILE else text
    return found


def in_both(told: ToldNote | Note) -> dict[str, str]:
    """Return a note in both languages of the page, without flags."""
    return {language: sentence(told, language, hint=False) for language in LANGUAGES}


def _report(path: Path) -> Script | None:
    """Return the script of a dub's report; None where there is none that can be read."""
    try:
        return report_script(read_json(path, "the report"))
    except (NetflipsError, TypeError, KeyError, ValueError):
        return None


def _named(path: Path) -> Mapping[str, str]:
    """Return the speakers that a visitor named, by number of the utterance; a later correction says them again."""
    if not path.is_file():
        return {}
    named: Mapping[str, str] = read_json(path, "the speakers")["utterances"]
    return named


def _said(script: Script, named: Mapping[str, str]) -> dict[str, Any]:
    """Return what was heard and what is said, of a dub or a draft."""
    return {
        "languages": [script.source, script.target],
        "utterances": [_row(one) | {"named": named.get(str(one.number), "")} for one in on_page(script)],
    }


def _figures(script: Script) -> dict[str, Any]:
    utterances, made = on_page(script), script.result
    dubbed = [one for one in utterances if one.alone is None]
    former = DubReport(script)
    return {
        "stretches": [[round(value, 3) for value in one] for one in stretches_of(script)],
        "work": made.work_counts,
        "figures": {
            "utterances": len(utterances), "dubbed": len(dubbed), "input_s": former.input_s, "output_s": made.duration_s,
            "pictures": made.pictures, "with_face": former.pictures_with_face, "mouth": made.lips,
            "hurried": sum(one.fit.is_hurried for one in dubbed), "cut": sum(bool(one.fit.cut_s) for one in dubbed),
            "pitch_hz": former.pitch_hz, "took_s": sum(one.seconds for one in made.timings),
        },
    }  # fmt: skip


def _row(one: OnPage) -> dict[str, Any]:
    """Return a sentence of the dub."""
    utterance, said = one.utterance, one.utterance.said
    told = utterance.target.text if isinstance(utterance.target, WrittenText) and utterance.target.by != "cascade" else ""
    return {
        "number": one.number, "speaker": one.speaker, "start_s": one.source.start_s, "end_s": one.source.end_s,
        "output_start_s": one.output.start_s, "output_end_s": one.output.end_s,
        "heard": "" if utterance.text is None else utterance.text.text, "said": "" if said is None else said.text, "told": told,
        "understood": None if utterance.understood is None else utterance.understood.as_json(),
        "takes": [], "left_alone": None if one.alone is None else in_both(one.alone),
    }  # fmt: skip
