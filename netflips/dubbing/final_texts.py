"""The texts of a cascade in the work folder, for a person to correct and give back: what will be said, and in the end what is."""

from dataclasses import replace

from avcore.files import atomic_output, write_text
from avcore.notes import json_text
from netflips.dubbing.job import LOG, Job
from netflips.script.files import script_json
from netflips.script.types import Script


def keep_texts(script: Script, job: Job) -> None:
    """Write what will be said, before it is spoken. Another file that is there, in which somebody may have corrected something, is
    kept beside it; one of an earlier dub of the same texts stays, in which a check has put other wordings."""
    path, content = job.texts_file, _content(script)
    before = path.read_bytes() if path.is_file() else None
    if before is not None and _before_check(job, before.decode(errors="replace")) == content:
        return
    if before is not None:
        old = path.with_suffix(".old.json")
        with atomic_output(old) as temporary:
            temporary.write_bytes(before)
        LOG.info("%s: the texts differ from those of before, which are kept as %s", path, old.name)
    write_text(path, content)


def write_final_texts(script: Script, job: Job) -> None:
    """Write what is said once it was checked, in place of what was to be said."""
    path, content = job.texts_file, _content(script)
    if job.options.cascade_models is None or not path.is_file():
        return
    there = path.read_text(encoding="utf-8")
    if there != content:
        job.store.keep("said", (content,), _before_check(job, there))
        write_text(path, content)


def _before_check(job: Job, content: str) -> str:
    """Return the texts from which a check made these; the same where none did."""
    return job.store.find(str, "said", (content,)) or content


def _content(script: Script) -> str:
    utterances = tuple(
        replace(one, seen=None, units=None, fit=None, attempts=(), drawn=None, notes=(), quality=None) for one in script.utterances
    )
    return json_text(script_json(replace(script, utterances=utterances, quality=None)), indent=1) + "\n"
