"""`python -m unit2unit.utut_finetune.average first.pt second.pt --out averaged.pt`: the mean of translators."""

import sys

from unit2unit.training.export import average, main

__all__ = ["average", "main"]

if __name__ == "__main__":
    sys.exit(main())
