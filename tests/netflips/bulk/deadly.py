"""Workers that die; a module that Ray's processes can import."""

import os
from collections.abc import Sequence

from netflips.bulk.records import BatchResult, Loaded, Rejected
from netflips.bulk.worker import ModelWorker
from netflips.evaluate.measuring import Measurer
from netflips.evaluate.records import MeasureJob, Record

DEADLY = "deadly"


class DeadlyWorker(ModelWorker):
    """A model worker that dies of one utterance."""

    def process(self, *parts: Sequence[Loaded | Rejected]) -> BatchResult:
        if any(isinstance(one, Loaded) and DEADLY in one.source.id for part in parts for one in part):
            os._exit(1)
        return super().process(*parts)


class OnceDeadMeasurer(Measurer):
    """A worker of an evaluation. The first one that is given the second case dies; the next one measures it."""

    def process(self, *parts: Sequence[MeasureJob]) -> list[Record]:
        mark = self._work.cases[1].dub.with_suffix(".died")
        if not mark.exists() and any(job.case == 1 for part in parts for job in part):
            mark.touch()
            os._exit(1)
        return super().process(*parts)
