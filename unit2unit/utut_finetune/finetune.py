"""`python -m unit2unit.utut_finetune.finetune data_dir=... init=... run_dir=...`: a translator of one language pair."""

import sys

from unit2unit.training.entry import finetune as main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
