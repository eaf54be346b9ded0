"""The road over text as a live dub takes it: its translator stays open, and answers within seconds or is passed over; its
recognizer hears turns and not windows."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace

from avcore.errors import InputError
from netflips.cascade.chat import ChatTranslator, open_translator
from netflips.cascade.options import CascadeModels
from netflips.cascade.program import ProgramTranslator, lone_request
from netflips.dubbing.job import Job
from netflips.dubbing.recognize import RecognizedSpeech
from netflips.dubbing.roads.text import TextRoad
from netflips.dubbing.sound import Sound
from netflips.models import Models
from netflips.recognizers.language import AUTO
from netflips.recognizers.opening import open_quick_recognizer
from netflips.script.types import Script

LIMIT_S = 4.0
"""Seconds in which a translator must answer."""


@dataclass(frozen=True)
class LiveTextRoad(TextRoad):
    """A live dub over text."""

    translator: ProgramTranslator | ChatTranslator | None = None
    """the program or language model that translates; None: the model of a folder does"""

    @classmethod
    @contextmanager
    def opened(cls, asked: CascadeModels, models: Models) -> "Iterator[LiveTextRoad]":
        """Open the models and the program of the road for the length of a block. Raises what opening them raises."""
        road = cls(asked)
        road.engines(models)
        if not asked.program:
            yield road
            return
        opened = open_translator(asked.program, asked.chat_model, asked.speech_level, LIMIT_S)
        with closing(opened) as translator:
            if isinstance(translator, ChatTranslator):
                translator.check()
            with suppress(InputError):  # it is told with the first turn; until then a program may load its models
                translator.candidates([lone_request(1, "Hello.", *models.languages)])
            yield replace(road, translator=translator)

    def recognized(self, job: Job, sound: Sound) -> RecognizedSpeech:
        """Return what the quickest form of the recognizer understands of a turn."""
        folder = self.asked.recognizer
        quick = job.models.kept(("quick", folder), lambda: open_quick_recognizer(folder, job.models.how.device))
        return RecognizedSpeech(sound, quick, job.languages[0], job.options.source not in (None, AUTO))

    def translate(self, script: Script, job: Job, sound: Sound) -> Script:
        """Translate what is new, in one try."""
        with job.clock.stage("text"):
            return self.translated(script, job, sound, self.translator or self.translator_of_folder(job), again=0)
