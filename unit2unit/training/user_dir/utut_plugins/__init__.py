"""The folder for fairseq's `--user-dir`: importing it registers our plug-ins and repairs fairseq.

fairseq imports it as the top-level module `utut_plugins`; the absolute imports keep each part from registering twice.
"""

from unit2unit.training import optim, task
from unit2unit.training.fairseq_fixes import repair_fairseq

repair_fairseq()

__all__ = ["optim", "task"]
