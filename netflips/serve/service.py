"""Make jobs of forms: check the form, put its files into the job's folder, and add the job to the queue."""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import find_bundle
from avcore.checkpoints.stages import Stage
from avcore.errors import Message, UsageError
from avcore.files import write_text
from avcore.units import normalise_language
from netflips.bundles.references import read_references
from netflips.provenance.options import require_in_force
from netflips.published.catalogue import catalogue
from netflips.published.store import usual_model
from netflips.script.files import value_from
from netflips.script.types import Consent
from netflips.serve.exports import EXPORTS
from netflips.serve.fields import SOUND_OR_VIDEO, Review, ReviewRow, checked, review_rows, switch, terms_asked, voices_asked
from netflips.serve.jobs import ASKS, DONE, MACHINE_FILE, Job, JobFolders, first_draft, new_id
from netflips.serve.kinds import AGREEMENT, KINDS, SPEECH, Asked, JobKind
from netflips.serve.limits import RefusedError
from netflips.serve.queue import Queue
from netflips.serve.results import Edit, edited_rows, track_parts
from netflips.serve.settings import Settings
from netflips.serve.uploads import HEADED, HEADS, Upload, Uploads
from netflips.serve.worker_process import WorkerProcess
from netflips.version import __version__
from text2unit.stage import TEXT2UNIT
from unit2av.lipsync.backend import ready_names
from unit2av.stage import RENDERER
from unit2av.voice.named import FILE as VOICES_FILE
from unit2av.voice.named import read_named_voices
from unit2text.stage import UNIT2TEXT

_EXAMPLES = {"video": "example.mp4", "image": "example.jpg"}
"""Examples by the kind of upload; one that is not installed is not offered."""
SAMPLE = ("example.mp4", "example.ko.mp4")
"""A video and its dub by the demo's models, `netflips demo`; example.json has the texts of both."""
_WAVE = "wave.json"
_SENTENCES = 20
_OF_REVIEW = ("rows", "voices", "terms")
_ANY_SPEECH, _GIGA = "korean-free", 1000
"""The set of models for any speech whose dubs may be sold; megabytes in a gigabyte."""
_OF_CASCADE = (("--recognizer",), ("--text-translator", "--translate-with"))
_SHOWN = ("id", "name", "kind", "seconds", "width", "height", "has_sound", "has_face", "has_speech", "bytes")
_MOST_TITLE = 60
_OPTIONAL: tuple[tuple[Stage, str], ...] = ((TEXT2UNIT, "ko"), (UNIT2TEXT, ""))
"""Stages that not every bundle has, each with the language that is needed."""


class Service:
    """All that the server's addresses need: uploads, the queue, and what the models can do."""

    def __init__(self, settings: Settings, hand: WorkerProcess | None = None) -> None:
        self.settings = settings
        self.uploads = Uploads(settings)
        self.queue = Queue(JobFolders(settings.jobs_dir), hand or WorkerProcess(), settings)
        self._has = _what_is_there(settings)

    async def open(self) -> None:
        """Resume the jobs of earlier servers, and begin to work."""
        for folder in (self.settings.uploads_dir, self.settings.jobs_dir):
            folder.mkdir(parents=True, exist_ok=True)
        await self.queue.open()

    async def close(self) -> None:
        """End the running job."""
        await self.queue.close()

    async def clean(self) -> None:
        """Remove old jobs and uploads."""
        await self.queue.clean(self.settings.keep_s)
        await asyncio.to_thread(self.uploads.clean, self.settings.keep_s, self._used())

    async def remove(self, job: Job) -> None:
        """Stop a job and delete it, with those of its visitor's uploads that no other job uses."""
        await self.queue.remove(job)
        for upload_id in set(job.uploads.values()) - self._used():
            with suppress(RefusedError):
                if self.uploads.find(upload_id).visitor == job.visitor:
                    self.uploads.remove(upload_id)

    def _used(self) -> set[str]:
        return {upload for job in self.queue.jobs.values() for upload in job.uploads.values()}

    @property
    def voices(self) -> Sequence[str]:
        """Names of the voices that speak texts."""
        found: Sequence[str] = self._has["voices"]
        return found

    def offers(self, kind: JobKind) -> bool:
        """Return whether visitors may have jobs of a kind: an operator offers only what is marked."""
        return kind.is_marked or not self.settings.operator

    def about(self) -> dict[str, Any]:
        """Return the facts of this server that the page needs."""
        return {
            "version": __version__,
            "heads": [HEADED, HEADS],
            "limit_bytes": self.settings.limit_bytes,
            "longest_s": self.settings.longest_s,
            "keep_s": self.settings.keep_s,
            "operator": self.settings.operator,
            "examples": _examples(),
            **self._has,
        }

    def shown(self, upload: Upload) -> dict[str, Any]:
        """Return the facts of an upload that its visitor gets."""
        return {name: value for name, value in asdict(upload).items() if name in _SHOWN}

    async def example(self, kind: str, visitor: str) -> Upload:
        """Return a video or image that comes with NetfLips, as an upload. Raises RefusedError where there is none."""
        if kind not in _examples():
            raise RefusedError(404, "no such example comes with this installation")
        with as_file(files("netflips.serve") / _EXAMPLES[kind]) as path:
            return await self.uploads.copy(Path(path), kind, visitor)

    def new_job(self, form: Mapping[str, Any], visitor: str) -> Job:
        """Make a job of a form and add it to the queue. Raises UsageError, RefusedError.

        form: {"kind", "values", "rows"?, "voices"?, "terms"?, "after"?, "draft"?}: rows of a review, voices of its speakers, how
        its terms are spoken, the id of the dub that they belong to, and whether the visitor sees their texts first: by default that
        of a dub without corrections.
        """
        if set(form) - {"kind", "values", *_OF_REVIEW, "after", "draft"} or not isinstance(form.get("values"), Mapping):
            raise UsageError("the form cannot be read", expected="kind, values, and for a review rows, voices and after")
        kind = self._kind(form.get("kind"))
        self.queue.require_room(visitor)
        values = checked(kind.fields, form["values"])

        review = _reviewed(form)
        before = self._before(form.get("after"), kind)
        if kind.is_agreed(self.settings):
            values = _agreed(values, {} if before is None else before.values)
        found = self._files(kind, values, review)
        if values.get("road") == "text" and not self._has["has_cascade"]:
            raise UsageError("nothing can be dubbed over text", found="no models for it")
        self._require_sayable(review.rows, values)
        if self._has["languages"] is not None and "target" in values:
            known = zip(("source", "target"), self._has["languages"], strict=True)
            values |= {name: language for name, language in known if values[name] == "auto"}

        first = next(iter(found.values()), None)
        title = first.name if first is not None else str(values.get("text", kind.name))[:_MOST_TITLE]
        job = Job(
            id=new_id(), visitor=visitor, kind=kind.name, title=title, words=(), values=values, created_s=time.time(),
            made_by=before.id if before else "",
        )  # fmt: skip
        try:
            self.queue.folders.of(job.id).mkdir(parents=True)
            is_draft = kind.name == "dub" and switch("draft").checked(form.get("draft", not review.rows))
            self._ask(job, found, review, before or job, is_draft=is_draft)
            self.queue.add(job)
        except BaseException:
            # Whatever stops it, no folder without a job is left.
            self.queue.folders.remove(job.id)
            raise
        return job

    def go_on(self, job: Job, form: Mapping[str, Any]) -> None:
        """Put a job that is over into the queue again; it resumes from what is finished. Raises UsageError, RefusedError.

        form: {"rows"?, "voices"?, "terms"?, "preview"?, "draft"?, "export"?}: for a dub whose texts were shown: its corrected rows,
        whether only the first is wanted, and whether the visitor sees the texts again first; for one that is done, what it is
        exported as.
        """
        if not job.is_over:
            raise UsageError("this job is not over yet")
        if set(form) - {*_OF_REVIEW, "preview", "draft", "export"}:
            raise UsageError("the form cannot be read", expected="rows, voices, terms, preview, draft, export")
        export = form.get("export", "")
        if export and (export not in EXPORTS or job.state != DONE or job.kind != "dub"):
            raise UsageError("this cannot be exported", expected=f"a dub that is done, as {' or '.join(EXPORTS)}")

        if job.kind == "dub" and (job.state == ASKS or form):
            review = _reviewed(job.values if job.values.get("rows") and "rows" not in form else form)
            self._require_sayable(review.rows, job.values)
            found = self._files(KINDS[job.kind], job.values, review)
            is_preview = job.values["preview"] if export else bool(form.get("preview"))
            job.values = job.values | {"preview": is_preview, "export": export}
            self._ask(job, found, review, job, is_draft=bool(form.get("draft")) and bool(review.rows))
        self.queue.add(job)

    def edited(self, job: Job, form: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sentences of a dub or draft after some are split or joined; nothing of it is stored.

        form: {"edits": [{"split": number, "at_s"?: seconds} or {"join": number}, ...]}, in their order. Raises UsageError,
        InputError.
        """
        edits = value_from(tuple[Edit, ...], form.get("edits"), "edits")
        return {"utterances": edited_rows(job, self.queue.folders.of(job.id), edits)}

    async def wave(self, job: Job) -> Path:
        """Return the file with the length of a dub's original (s) and the peaks of its sound. Raises RefusedError."""
        folder, name = self.queue.folders.of(job.id), job.names.get("video")
        if name is None or not (folder / name).is_file():
            raise RefusedError(404, "this job has no sound to show")
        path = folder / _WAVE
        if not path.is_file():
            write_text(path, json.dumps(await self.uploads.wave(folder / name, job.shown.get(name, name))))
        return path

    def _files(self, kind: JobKind, values: Mapping[str, Any], review: Review) -> dict[str, Upload]:
        """Return the uploads of a form by their names in it, those of its fields first. Raises UsageError, RefusedError."""
        takes = {file.name: file.takes for file in kind.uploads}
        wanted = {name: values[name] for name in takes if values.get(name)}
        wanted |= {f"{SPEECH} {number}": row.speech for number, row in enumerate(review.rows, 1) if row.speech}
        wanted |= {f"voice {number}": upload for number, upload in enumerate(review.voices.values(), 1)}
        found = {name: self.uploads.find(upload) for name, upload in wanted.items()}

        for name, upload in found.items():
            if upload.kind not in takes.get(name, SOUND_OR_VIDEO):
                expected = " or ".join(takes.get(name, SOUND_OR_VIDEO))
                raise UsageError(Message("{field} cannot be that", field=name), expected=expected, found=upload.kind)
        return found

    def _ask(self, job: Job, found: Mapping[str, Upload], review: Review, before: Job, is_draft: bool = False) -> None:
        """Put a job's files into its folder, and set its command line. before: the job whose parts of a speech track are used."""
        kind, folders = KINDS[job.kind], self.queue.folders
        stored = {upload.name: upload.stored for upload in kind.uploads}
        names = {name: f"{stored.get(name, name.replace(' ', '-'))}{Path(upload.file).suffix}" for name, upload in found.items()}
        for name, upload in found.items():
            folders.take_in(job.id, self.uploads.path(upload), names[name])

        first = next(iter(found.values()), None)
        shared, length_s = ("work", 0.0) if first is None else (f"../../uploads/{first.id}/work", first.seconds)
        asked = Asked(
            job.values, names, length_s, shared, self.settings, self._has["has_reader"], review.rows,
            {speaker: names[f"voice {number}"] for number, speaker in enumerate(review.voices, 1)}, review.terms,
            track_parts(before, folders.of(before.id)) if SPEECH in names else {}, is_draft,
            is_sound=first is not None and not first.width,
        )  # fmt: skip

        draft, machine = first_draft(folders.of(before.id)), folders.of(job.id) / MACHINE_FILE
        if draft is not None and not machine.is_file():
            shutil.copyfile(draft, machine)  # before another draft takes its place
        kind.write(asked, folders.of(job.id))
        job.words, job.names = tuple(kind.words(asked)), names
        job.uploads = {name: upload.id for name, upload in found.items()}
        job.shown = {names[name]: upload.name for name, upload in found.items()}

        if review.rows:
            reviewed = {"rows": [asdict(row) for row in review.rows], "voices": dict(review.voices), "terms": dict(review.terms)}
            job.values = {**job.values, **reviewed}

    def _require_sayable(self, rows: Sequence[ReviewRow], values: Mapping[str, Any]) -> None:
        if any(row.spoken for row in rows) and not self._has["has_speller"] and values.get("road") != "text":
            raise UsageError("no text can be said", found="models without a text-to-unit model")

    def _kind(self, name: Any) -> JobKind:
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None or not self.offers(kind):
            known = ", ".join(name for name, job_kind in KINDS.items() if self.offers(job_kind))
            raise UsageError("there is no such kind of job", expected=known)
        return kind

    def _before(self, job_id: Any, kind: JobKind) -> Job | None:
        if job_id is None:
            return None
        job = self.queue.jobs.get(job_id) if isinstance(job_id, str) else None
        if job is None or job.kind != kind.name:
            raise RefusedError(404, "the job before it is not there any more")
        return job


def _agreed(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a dub with the consent that an operator needs: the visitor's, else that of the dub before it.

    Raises UsageError where there is none, or where it has expired. The visitor cannot choose the label.
    """
    asked = dict(values) if values["agreed"] else dict(values) | {field.name: before.get(field.name) for field in AGREEMENT}
    if not asked["agreed"] or not asked["people"]:
        raise UsageError("those who are seen and heard must have agreed", expected="who they are, and that they agreed")
    consent = Consent(asked["people"], asked["people"], asked["agreed_until"])
    require_in_force((consent,), None)
    return asked | ({"label": False} if "label" in asked else {})


def _reviewed(form: Mapping[str, Any]) -> Review:
    """Return the corrections of a dub in a form. Raises UsageError, InputError."""
    rows = review_rows(form["rows"]) if "rows" in form else ()
    found = Review(rows, voices_asked(form.get("voices", {})), terms_asked(form.get("terms", {})))
    if (found.voices or found.terms) and not rows:
        raise UsageError("the form cannot be read", expected="rows with the voices of their speakers, and with terms")
    return found


def _examples() -> list[str]:
    return [kind for kind, name in _EXAMPLES.items() if (files("netflips.serve") / name).is_file()]


def _sample() -> dict[str, str] | None:
    """Return the texts of the example and its dub, by language; None where they are not installed."""
    folder = files("netflips.serve")
    if not all((folder / name).is_file() for name in (*SAMPLE, "example.json")):
        return None
    example = json.loads((folder / "example.json").read_text(encoding="utf-8"))
    return {"recognized": example["sentence"], "spoken": example["korean"]}


def _for_any_speech() -> dict[str, str]:
    """Return the command that downloads models for any speech, as README has it, with their size and licences."""
    models = catalogue().named([_ANY_SPEECH])
    program = Path(sys.executable).with_name("netflips")
    beside = program.is_relative_to(Path.cwd()) and shutil.which("netflips") is None
    return {
        "command": f"{program.relative_to(Path.cwd()) if beside else program.name} models get {_ANY_SPEECH}",
        "gigabytes": f"{sum(model.megabytes or 0.0 for model in models) / _GIGA:.0f}",
        "licences": ", ".join(dict.fromkeys(model.licence.title for model in models)),
    }


def _what_is_there(settings: Settings) -> dict[str, Any]:
    """Return what the models can do, as far as their files show without being loaded."""
    bundle = find_bundle()
    packed = {stage: bundle is not None and bundle.checkpoint(stage, language).is_file() for stage, language in _OPTIONAL}
    languages = None if bundle is None or "--utut-path" in settings.models else bundle.languages
    own = "--utut-path" in settings.models

    known = [] if bundle is None or own or not bundle.references.is_file() else read_references(bundle.references)

    packed_renderer = None if bundle is None else bundle.checkpoint(RENDERER)
    renderer = Path(settings.models[RENDERER.flag]) if RENDERER.flag in settings.models else packed_renderer
    voices = None if renderer is None else renderer.parent / VOICES_FILE
    some = known[:: max(len(known) // _SENTENCES, 1)][:_SENTENCES]
    return {
        "models": [Path(path).name for flag, path in settings.models.items() if flag.endswith("-path")],
        "bundle": None if bundle is None or own else {"name": bundle.about["name"], "knows": bundle.about["domain"]},
        "mouths": ready_names(settings.models, renderer),
        "voices": [] if voices is None or not voices.is_file() else list(read_named_voices(voices)),
        "sentences": [[reference.translation, reference.text] for reference in some],
        "sample": _sample() if known else None,
        "languages": None if languages is None else [normalise_language(one) for one in languages],
        "has_speller": "--text2unit-path" in settings.models or (packed[TEXT2UNIT] and not own),
        "has_reader": "--unit2text-path" in settings.models or (packed[UNIT2TEXT] and not own),
        "get_models": _for_any_speech(),
        "has_cascade": all(
            any(one in settings.models for one in flags) or usual_model(flags[0]) is not None for flags in _OF_CASCADE
        ),
    }
