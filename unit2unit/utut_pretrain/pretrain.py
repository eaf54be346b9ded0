"""`python -m unit2unit.utut_pretrain.pretrain data_dir=... run_dir=...`: a translator of many languages."""

import sys

from unit2unit.training.entry import pretrain as main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
