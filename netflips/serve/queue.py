"""The queue: jobs wait in order, one runs at a time, and every page that watches gets all changes."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from avcore.command import COMPLAINT
from avcore.errors import EXIT_DONE, InputError, Message, NetflipsError, OutputError
from avcore.files import remove_temporary
from netflips.commands.run_progress import TimeLeft
from netflips.serve.jobs import ASKS, DONE, FAILED, RUNNING, STOPPED, WAITING, Job, JobFolders, KeptNote, first_draft
from netflips.serve.limits import RESERVE_OF_JOBS, TOO_FULL, RefusedError, require_disk
from netflips.serve.settings import Settings
from netflips.serve.worker_process import WorkerEndedError, WorkerProcess

LOG = logging.getLogger("netflips")

_RESTARTED = NetflipsError("the server was stopped in the middle of it", hint="what was finished is kept, and it can go on")

_NEWS = ("state", "place", "stage", "share", "error")
"""Facts whose changes are sent to the page."""


class Queue:
    """All jobs of a server, and the task that runs them."""

    def __init__(self, folders: JobFolders, hand: WorkerProcess, settings: Settings) -> None:
        self.folders = folders
        self.jobs: dict[str, Job] = {}
        self._hand, self._settings = hand, settings
        self._waiting: list[str] = []
        self._served: dict[str, int] = {}
        """For each visitor, the number of the last job that began, counted over all visitors."""
        self._left: tuple[float, bool] | None = None
        """Time left for the running job (s), and whether its stage is slow; None = too early to estimate."""
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the jobs of earlier servers and begin. A job that ran is stopped, because it may have ended the server."""
        for job in self.folders.read_all():
            self.jobs[job.id] = job
            if job.state == RUNNING:
                self._end(job, STOPPED, _RESTARTED)
            elif job.state == WAITING:
                self._waiting.append(job.id)

        await self._hand.start()
        self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """End the running job. Waiting jobs stay in the queue for the next server."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._hand.stop()
        for job in self.jobs.values():
            if job.state == RUNNING:
                self._end(job, STOPPED, _RESTARTED)

    def add(self, job: Job) -> None:
        """Put a job at the end of the queue: a new one, or one that resumes from what is finished. Raises RefusedError."""
        self.require_room(job.visitor)
        before = job.state, job.error, job.notes
        job.state, job.error, job.notes = WAITING, {}, ()
        try:
            self.folders.keep(job)
        except Exception:
            # What is not on disk is unknown to the next server, so this one does not queue it either.
            job.state, job.error, job.notes = before
            raise

        self.jobs[job.id] = job
        self._waiting.append(job.id)
        self._notify()

    def require_room(self, visitor: str) -> None:
        """Raise RefusedError where the queue cannot take a job of a visitor."""
        own = sum(self.jobs[one].visitor == visitor for one in self._waiting)
        if len(self._waiting) >= self._settings.most_waiting or own >= self._settings.most_waiting_each:
            raise RefusedError(429, NetflipsError("so many jobs wait that no other one can", hint="try again when one is done"))
        require_disk(self._settings, reserve=RESERVE_OF_JOBS)

    async def stop(self, job: Job) -> None:
        """Stop a job that waits or runs; its worker process is ended."""
        if job.id in self._waiting:
            self._waiting.remove(job.id)
            self._end(job, STOPPED)
        elif job.state == ASKS:
            self._end(job, STOPPED)
        elif job.state == RUNNING:
            job.end(STOPPED)  # before the worker ends, so that `_do` knows why it ended
            await self._hand.stop()
            self._end(job, STOPPED)
        self._notify()

    async def remove(self, job: Job) -> None:
        """Stop a job, and delete it with its files."""
        self.jobs.pop(job.id, None)  # so that nobody puts it into the queue again while it ends
        await self.stop(job)
        self.folders.remove(job.id)
        self._notify()

    def place(self, job: Job) -> int:
        """Return a job's place in the queue: 1 = it is next; 0 = it does not wait."""
        return self._in_turn().index(job.id) + 1 if job.id in self._waiting else 0

    def _in_turn(self) -> list[str]:
        """Return the waiting jobs in the order in which they will run: visitors take turns."""
        turns: Counter[str] = Counter()
        ranked = []
        for place, job_id in enumerate(self._waiting):
            visitor = self.jobs[job_id].visitor
            # Everybody's first job comes before anybody's second; among equals, whoever was served longest ago.
            ranked.append((turns[visitor], self._served.get(visitor, 0), place, job_id))
            turns[visitor] += 1
        return [job_id for *_, job_id in sorted(ranked)]

    def facts(self, job: Job) -> dict[str, Any]:
        """Return the facts of a job that change while it waits and runs."""
        took_s = (job.ended_s or time.time()) - job.began_s if job.began_s else 0.0
        left_s, is_slow = self._left if job.state == RUNNING and self._left is not None else (None, False)
        return {
            "id": job.id, "kind": job.kind, "title": job.title, "state": job.state, "place": self.place(job), "stage": job.stage,
            "share": round(job.share, 4), "took_s": round(took_s, 1), "left_s": None if left_s is None else round(left_s, 1),
            "is_slow": is_slow, **job.complaint, "quality": job.quality, "created_s": job.created_s, "made_by": job.made_by,
            "is_draft": job.is_draft, "goes_on": job.state == STOPPED or (job.state == FAILED and not job.lasts),
        }  # fmt: skip

    async def changes(self, jobs: Callable[[], list[Job]], beat_s: float) -> AsyncIterator[dict[str, Any] | None]:
        """Yield the facts of some jobs whenever they change, without an end; None = no change for `beat_s`."""
        sent: dict[str, dict[str, Any]] = {}
        clock = asyncio.get_running_loop().time
        due = clock() + beat_s

        while True:
            news = self._news  # before anything is sent: a job may end meanwhile
            for job in jobs():
                facts, before = self.facts(job), sent.get(job.id, {})
                if any(facts[name] != before.get(name) for name in _NEWS):
                    sent[job.id], due = facts, clock() + beat_s
                    yield facts

            try:
                async with asyncio.timeout_at(due):  # a fixed time, since other visitors' jobs may change all the time
                    await news.wait()
            except TimeoutError:
                due = clock() + beat_s
                yield None

    def of_visitor(self, visitor: str) -> list[Job]:
        """Return the jobs of a visitor, oldest first."""
        return [job for job in self.jobs.values() if job.visitor == visitor]

    async def clean(self, keep_s: float) -> None:
        """Remove jobs that have been over for longer than `keep_s`."""
        for job in list(self.jobs.values()):
            if job.is_over and time.time() - max(job.ended_s, job.created_s) > keep_s:
                await self.remove(job)
        await asyncio.to_thread(self.folders.clean, keep_s)

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                await self._news.wait()

            job = self.jobs[self._in_turn()[0]]
            self._waiting.remove(job.id)

            watch = asyncio.create_task(self._watch(job))
            try:
                await self._do(job)
            except Exception as error:  # the other jobs go on
                LOG.error("job %s: %s: %s", job.id, type(error).__name__, error)
                await self._hand.stop()  # the worker is in an unknown state
                self._end(job, FAILED, TOO_FULL if isinstance(error, OutputError) else NetflipsError("the server could not do it"))
            finally:
                watch.cancel()
            self._notify()

    async def _watch(self, job: Job) -> None:
        """End a job when its files fill the disk."""
        while job.state in (WAITING, RUNNING):
            await asyncio.sleep(self._settings.watch_s)
            try:
                require_disk(self._settings, reserve=RESERVE_OF_JOBS)
            except RefusedError as error:
                if job.state == RUNNING:
                    job.end(FAILED, error.error)
                    await self._hand.stop()
                    self._end(job, FAILED, error.error)

    async def _do(self, job: Job) -> None:
        self._served[job.visitor] = max(self._served.values(), default=0) + 1
        job.begin()
        self.folders.keep(job)
        self._notify()

        left, self._left = TimeLeft(job.is_draft, first_draft(self.folders.of(job.id)) is not None), None

        def reported(stage: str, done: int, total: int | None) -> None:
            self._left = left.report(stage, done, total, time.time() - job.began_s)
            job.share, job.stage = left.share, stage
            self._notify()

        failure: NetflipsError | None = None
        lasts = False

        def noted(note: KeptNote) -> None:
            nonlocal failure, lasts
            if note.code == COMPLAINT.code:
                failure, lasts = job.for_visitor(note.values["error"]), bool(note.values.get("lasts"))
            else:
                job.note(note)

        try:
            code = await self._hand.run(job.words, self.folders.of(job.id), reported, noted)
        except WorkerEndedError as gone:
            await self._hand.start()
            if job.state == RUNNING:
                remove_temporary(self.folders.of(job.id), below=True)
                ended = Message("its process was ended by the system ({code})", code=gone.code)
                self._end(job, FAILED, NetflipsError(ended, hint="is there enough memory?"))
            return

        if job.state != RUNNING:  # it was stopped
            return

        if code == EXIT_DONE:
            self._end(job, ASKS if job.is_draft else DONE)
        else:
            self._end(job, FAILED, failure or NetflipsError(f"it ended with exit code {code}"), lasts)

    def _end(self, job: Job, state: str, error: NetflipsError | None = None, lasts: bool = False) -> None:
        job.end(state, error, lasts)
        folder: Path = self.folders.of(job.id)
        try:
            job.quality = self.folders.quality(job.id)
        except InputError as damage:
            LOG.error("job %s: %s", job.id, damage)

        try:
            if state != DONE:
                remove_temporary(folder, below=True)
            self.folders.keep(job)
        except OutputError as trouble:  # a full disk: the job's state is not on disk, but in this server's memory
            LOG.error("%s", trouble)

    def _notify(self) -> None:
        """Wake everybody who waits for changes."""
        # A new event each time: whoever is busy sending holds the old one, which stays set, and so misses nothing.
        old, self._news = self._news, asyncio.Event()
        old.set()
