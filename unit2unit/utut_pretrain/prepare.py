"""`python -m unit2unit.utut_pretrain.prepare`: tables of several languages to pre-train on."""

import sys

from unit2unit.training.prepare_tables import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
