"""`python -m unit2unit.utut_finetune.add_language utut_sts_ft.pt utut_ko.pt --language ko`: a translator with more languages."""

import sys

from unit2unit.training.add_language import add_language, main

__all__ = ["add_language", "main"]

if __name__ == "__main__":
    sys.exit(main())
