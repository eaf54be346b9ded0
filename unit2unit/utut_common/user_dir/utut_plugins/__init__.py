"""The folder for fairseq's `--user-dir`: importing it registers our plug-ins and repairs fairseq.

fairseq imports it as the top-level module `utut_plugins`; the absolute imports keep each part from registering twice.
"""

from unit2unit.utut_common import architecture, muon, schedule
from unit2unit.utut_common.repairs import repair_fairseq
from unit2unit.utut_finetune import criterion
from unit2unit.utut_finetune import task as finetune_task
from unit2unit.utut_pretrain import task as pretrain_task

repair_fairseq()

__all__ = ["architecture", "criterion", "finetune_task", "muon", "pretrain_task", "schedule"]
