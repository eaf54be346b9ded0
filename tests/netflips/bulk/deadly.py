"""Workers that die; a module that Ray's processes can import."""

import os
from collections.abc import Sequence

from netflips.bulk.records import BatchResult, Loaded, Rejected
from netflips.bulk.worker import ModelWorker

DEADLY = "deadly"


class DeadlyWorker(ModelWorker):
    """A model worker that dies of one utterance."""

    def process(self, *parts: Sequence[Loaded | Rejected]) -> BatchResult:
        if any(isinstance(one, Loaded) and DEADLY in one.source.id for part in parts for one in part):
            os._exit(1)
        return super().process(*parts)
