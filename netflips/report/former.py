"""The keys that the JSON of a report had before there were scripts: made of a script for one more version, and read into one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from av2unit.trust import AUDIO, BOTH, REASONS, VIDEO
from avcore.answers import Word
from avcore.notes import Note, sentence
from avcore.timeline import seconds_to_units
from avcore.understanding import Understanding
from netflips.cascade.options import TEXT, UNITS
from netflips.report.story import output_span
from netflips.script.notes import ABSENT, EMPTY, LEFT_REASONS, SILENT, UNHEARD, left_words, why_left
from netflips.script.types import (
    DrawnPictures,
    FaceQuality,
    FaceTrackTold,
    HeardUnits,
    Made,
    Media,
    ModelUsed,
    Script,
    SeenFaces,
    Slot,
    SpeakerOf,
    SpokenSound,
    Target,
    Text,
    TimeFit,
    TimeSpan,
    Timing,
    TranslatedUnits,
    UnitList,
    Utterance,
    VoiceFile,
    WorkKept,
    WrittenText,
)

UNITS_FROM = {BOTH: "sound and lips", AUDIO: "sound", VIDEO: "lips", "": ""}
"""What units were taken from, in words, by `HeardUnits.modalities`."""
_READING = {"read", "faces", "voice", "av2unit"}
"""Steps of a clip whose pace was told by the input's length."""
_OF_ALL = "is_told"
"""Marks notes of utterances whose sentences stand among the warnings of all."""


def former_keys(script: Script) -> dict[str, Any]:
    """Return the keys that reports had before there were scripts, as JSON holds them."""
    made, media, told = script.result, script.media or Media(), script.told
    is_own, over_text = script.is_in_own_time, script.is_over_text
    rows = [_former_utterance(script, one) for one in told]
    only = rows[0] if rows and not is_own else {}
    scores = [one.score for one in told if one.score is not None and one.fit is not None]
    sure = [one.heard.confidence for one in told if one.heard is not None and one.heard.confidence is not None]
    modalities = told[0].heard.modalities if told and told[0].heard is not None and not is_own else ""
    voice = next((one.voice for one in script.speakers), "own")
    given = script.setting("speaker") or (voice.file if isinstance(voice, VoiceFile) and not is_own else None)
    left = Counter[str]()
    for one in told:
        left.update(one.drawn.left if one.drawn is not None else {})
    return {
        "version": made.version,
        "input": media.path,
        "output": made.output,
        "source_language": script.source,
        "target_language": script.target,
        "modalities": script.setting("modalities") or modalities,
        "input_s": media.duration_s,
        "output_s": made.duration_s,
        "width": made.width,
        "height": made.height,
        "has_grown": made.has_grown,
        "num_pictures": made.pictures,
        "pictures_with_face": sum(one.drawn.drawn for one in told if one.drawn is not None),
        "source_units": sum(row["source_units"] for row in rows),
        "target_units": sum(row["target_units"] for row in rows),
        "target_steps": sum(seconds_to_units(one.fit.spoken_s) for one in told if one.fit is not None),
        "translation_score": float(np.mean(scores)) if scores else None,
        "is_truncated": any(row["is_truncated"] for row in rows),
        "voice": "the source's" if given is None else given,
        "fingerprints": {one.part: one.fingerprint for one in made.models},
        "stages": [former_stage(script, *one) for one in made.timings],
        "warnings": [sentence(told) for told in script.notes_told],
        "faces": only.get("tracks", []),
        "timing": "source" if is_own else "free",
        "recording": _former_recording(script, rows) if is_own else None,
        "unit_confidence": float(np.mean(sure)) if sure else None,
        "pitch_hz": only.get("pitch_hz"),
        "is_outside_domain": _any_known([row["is_outside_domain"] for row in rows]),
        "units_from": only.get("units_from", ""),
        "units_why": only.get("units_why", ""),
        "usual_confidence": made.usual("av2unit"),
        "usual_score": made.usual("unit2unit"),
        "mouth": made.lips,
        "road": TEXT if over_text else UNITS,
        "heard_text": only.get("heard_text", ""),
        "heard_confidence": only.get("heard_confidence"),
        "said_text": only.get("said_text", ""),
        "said_confidence": only.get("said_confidence"),
        "left": {} if is_own else {left_words(code): count for code, count in left.items() if code != "no_face"},
        "peak_memory_bytes": made.peak_memory_bytes,
    }


def _any_known(values: Sequence[bool | None]) -> bool | None:
    """Return whether any is true; None where of none it is known."""
    return None if all(one is None for one in values) else any(values)


def former_stage(script: Script, name: str, seconds: float, by_input: bool) -> dict[str, Any]:
    """Return a step of the work, with its pace."""
    length_s = (script.media or Media()).duration_s if by_input else script.result.duration_s
    return {"name": name, "seconds": seconds, "x_real_time": length_s / max(seconds, 1e-9)}


def _former_recording(script: Script, rows: list[dict[str, Any]]) -> dict[str, Any]:
    made, media, work = script.result, script.media or Media(), script.result.work
    return {
        "utterances": rows,
        "part": [0.0, media.duration_s] if made.part is None else [made.part.start_s, made.part.end_s],
        "frame_rate": media.frame_rate,
        "is_variable_rate": media.is_variable_rate,
        "audio_rate": media.sound_rate,
        "audio_channels": max(media.audio_channels, 1),
        "background": script.setting("recording.background", ""),
        "background_audio": script.setting("recording.background_audio") or "",
        "scene_cuts": list(script.cuts),
        "work_dir": "" if work is None else work.folder,
        "work": script.result.work_counts,
        "work_bytes": 0 if work is None else work.num_bytes,
    }


def _former_utterance(script: Script, one: Utterance) -> dict[str, Any]:
    place, output = one.place, output_span(script, one)
    fit, heard, drawn, seen = one.fit, one.heard, one.drawn, one.seen
    outside, alone = one.note("outside"), one.note("left_alone")
    written = one.target.text if isinstance(one.target, WrittenText) and one.target.by != "cascade" else ""
    over_text, said = script.is_over_text, one.said
    return {
        "number": one.number,
        "speaker": one.speaker,
        "source_start_s": 0.0 if place is None else place.start_s,
        "source_end_s": 0.0 if place is None else place.end_s,
        "output_start_s": output.start_s,
        "output_end_s": output.end_s,
        "left_alone": "" if alone is None else why_left(alone.values),
        "source_units": 0 if heard is None else len(heard.units.ids),
        "target_units": 0 if fit is None else fit.units,
        "translation_score": one.score if fit is not None else None,
        "unit_confidence": None if heard is None else heard.confidence,
        "is_outside_domain": script.is_outside(one),
        "notice": "" if outside is None else sentence(outside),
        "understood": None if one.understood is None else asdict(one.understood),
        "units_from": "" if heard is None or over_text else UNITS_FROM.get(heard.modalities, heard.modalities),
        "units_why": one.units_why,
        "is_truncated": one.note("truncated") is not None,
        "natural_s": 0.0 if fit is None else fit.natural_s,
        "spoken_s": 0.0 if fit is None else fit.spoken_s,
        "factor": None if fit is None else fit.factor,
        "slack_s": 0.0 if fit is None else fit.slack_s,
        "in_pause_s": 0.0 if fit is None else fit.in_pause_s,
        "overrun_s": 0.0 if fit is None else fit.overrun_s,
        "held_s": 0.0 if fit is None else fit.held_s,
        "is_hurried": fit is not None and fit.is_hurried,
        "cut_s": 0.0 if fit is None else fit.cut_s,
        "pictures": 0 if drawn is None else drawn.pictures,
        "drawn": 0 if drawn is None else drawn.drawn,
        "left": {} if drawn is None else {left_words(code): count for code, count in drawn.left.items()},
        "unseen": "" if seen is None or not script.is_in_own_time else ABSENT[seen.absent],
        "evidence": None if seen is None else seen.evidence,
        "face": {name: value for name, value in asdict(seen.quality).items() if value is not None} if seen and seen.quality else {},
        "pitch_hz": script.speaker(one.speaker).pitch_hz,
        "said_by": one.said_by,
        "target_text": written if fit is None or one.score is None else "",
        "heard_text": "" if one.text is None else one.text.text,
        "heard_confidence": None if one.text is None else one.text.confidence,
        "said_text": "" if said is None or fit is None else said.text,
        "said_confidence": None if said is None else said.confidence,
        "tracks": [] if seen is None else [asdict(track) for track in seen.tracks],
    }


def former_script(content: Mapping[str, Any]) -> Script:
    """Return a script out of a report of before there were scripts. Raises KeyError or TypeError for what is no report."""
    recording = content.get("recording")
    rows = [_row_of_clip(content)] if recording is None else recording["utterances"]
    speakers = {row["speaker"]: row.get("pitch_hz") for row in reversed(rows)}
    settings: dict[str, Any] = {"speaker": None if content["voice"] == "the source's" else content["voice"]}
    settings |= {"modalities": content["modalities"] or None}
    settings |= {"road.recognizer": ""} if content.get("road", UNITS) == TEXT else {}
    media = {"path": content["input"], "duration_s": content["input_s"], "width": content["width"], "height": content["height"]}
    work, part, cuts = None, None, ()
    if recording is not None:
        media |= {name: recording[name] for name in ("frame_rate", "is_variable_rate", "audio_rate", "audio_channels")}
        settings |= {f"recording.{name}": recording[name] for name in ("background", "background_audio")}
        part, cuts = TimeSpan(*recording["part"]), tuple(recording["scene_cuts"])
        kept, made = ({stage: counts.get(name, 0) for stage, counts in recording["work"].items()} for name in ("kept", "made"))
        work = WorkKept(recording["work_dir"], recording["work_bytes"], kept, made)
    usual = {"av2unit": content.get("usual_confidence"), "unit2unit": content.get("usual_score")}
    return Script(
        source=content["source_language"],
        target=content["target_language"],
        schedule="to_and_fro" if recording is None else "own",
        media=Media(**media),
        cuts=cuts,
        speakers=tuple(SpeakerOf(name, pitch_hz=pitch) for name, pitch in reversed(speakers.items())),
        utterances=tuple(map(_utterance_of, rows)),
        notes=tuple(Note("told", {"text": text}) for text in content["warnings"]),
        understood=Understanding.from_json(content.get("understood")),
        made=Made(
            **{name: content[name] for name in ("version", "output", "width", "height", "has_grown")},
            duration_s=content["output_s"],
            pictures=content["num_pictures"],
            lips=content.get("mouth", "units"),
            part=part,
            models=tuple(ModelUsed(name, fingerprint, usual.get(name)) for name, fingerprint in content["fingerprints"].items()),
            settings=settings,
            timings=tuple(
                Timing(one["name"], one["seconds"], recording is None and one["name"] in _READING) for one in content["stages"]
            ),
            peak_memory_bytes=content.get("peak_memory_bytes"),
            work=work,
        ),
    )


def _row_of_clip(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the only utterance of a short clip, as a recording's report has one."""
    left = content.get("left", {})
    unseen = content["num_pictures"] - content["pictures_with_face"] - sum(left.values())
    same = ("source_units", "target_units", "translation_score", "is_truncated")
    later = ("unit_confidence", "is_outside_domain", "units_from", "units_why", "pitch_hz", "heard_text", "heard_confidence")
    heights = [one["mean_box"][3] - one["mean_box"][1] for one in content["faces"] if one.get("is_chosen")]
    share = (content["pictures_with_face"] + sum(left.values())) / max(content["num_pictures"], 1)
    return {
        **{name: content[name] for name in same},
        **{name: content.get(name) for name in (*later, "said_text", "said_confidence", "understood")},
        **{"number": 1, "speaker": "speaker 1", "source_start_s": 0.0, "source_end_s": content["input_s"]},
        **{"output_start_s": 0.0, "output_end_s": content["output_s"], "left_alone": "", "factor": None},
        **{"natural_s": content["output_s"], "spoken_s": content["output_s"], "pictures": content["num_pictures"]},
        **{"drawn": content["pictures_with_face"], "left": ({"no face": unseen} if unseen else {}) | left},
        **{"face": {"share_of_pictures": share, "height_px": heights[0]} if heights else {}, "tracks": content["faces"]},
    }


def _utterance_of(row: Mapping[str, Any]) -> Utterance:
    written, said = row.get("target_text") or "", row.get("said_text") or ""
    modalities = {words: name for name, words in UNITS_FROM.items()}.get(row.get("units_from") or "", "")
    why = (row.get("units_why") or "").partition(" (")[0]
    num_heard = row.get("source_units", 0)
    units = UnitList((0,) * num_heard)
    heard = HeardUnits(units, modalities, row.get("unit_confidence"), reason=REASONS.get(why, why)) if num_heard else None
    said_text = Text(said, by="reader", words=_words(said, row.get("said_confidence"))) if said else None
    target: Target = TranslatedUnits(UnitList(), row["translation_score"], bool(row.get("is_truncated")), None, said_text)
    said_by = row.get("said_by") or ""
    target = WrittenText(written, said_by=said_by) if written else SpokenSound(said_by) if said_by else target
    left = {LEFT_REASONS.get(why, why): count for why, count in row.get("left", {}).items()}
    heard_text = row.get("heard_text") or ""
    unseen = {words: code for code, words in ABSENT.items()}
    return Utterance(
        number=row["number"],
        place=TimeSpan(row["source_start_s"], row["source_end_s"]),
        speaker=row["speaker"],
        heard=heard,
        text=Text(heard_text, by="reader", words=_words(heard_text, row.get("heard_confidence"))) if heard_text else None,
        seen=SeenFaces(
            tuple(FaceTrackTold(**{**one, "mean_box": tuple(one["mean_box"])}) for one in row["tracks"]),
            row.get("evidence"),
            FaceQuality(**row["face"]) if row.get("face") else None,
            unseen.get(row.get("unseen") or "", ""),  # type: ignore[arg-type]
        ),
        target=target,
        fit=None if row.get("left_alone") else _fit_of(row),
        drawn=DrawnPictures(row.get("pictures", 0), row.get("drawn", 0), left),
        notes=tuple(_notes_of(row)),
        understood=Understanding.from_json(row.get("understood")),
    )


def _words(text: str, confidence: float | None) -> tuple[Word, ...]:
    """Return one word, which tells how sure the whole text is."""
    return () if confidence is None else (Word(text, 0.0, 0.0, confidence),)


def _fit_of(row: Mapping[str, Any]) -> TimeFit:
    slot = None
    if row.get("factor") is not None:
        length_s = row["spoken_s"] + row["slack_s"] - row["in_pause_s"] - (row["overrun_s"] if row["held_s"] else 0.0)
        slot = Slot(round(length_s, 6), row["in_pause_s"])
    lengths = {name: row.get(name, 0.0) for name in ("natural_s", "spoken_s", "overrun_s", "held_s", "cut_s")}
    return TimeFit(TimeSpan(row["output_start_s"], row["output_end_s"]), row.get("target_units", 0), slot=slot, **lengths)


def _notes_of(row: Mapping[str, Any]) -> Iterator[Note]:
    if row.get("left_alone"):
        known = {str(kind.english): kind.code for kind in (EMPTY, SILENT, UNHEARD)}
        yield Note("left_alone", {"reason": known.get(row["left_alone"], row["left_alone"]), _OF_ALL: True})
    if row.get("is_truncated"):
        yield Note("truncated", {"units": row.get("target_units", 0), _OF_ALL: True})
    if row.get("is_outside_domain"):
        yield Note("outside", {"text": row.get("notice") or "", _OF_ALL: True})
