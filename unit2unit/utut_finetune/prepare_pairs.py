"""`python -m unit2unit.utut_finetune.prepare_pairs`: parallel units to fine-tune on."""

import sys

from unit2unit.training.prepare_pairs import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
