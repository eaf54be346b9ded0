"""`python -m unit2av.voice`: store a speaker's voice in a file."""

import sys

from unit2av.speaker import main

if __name__ == "__main__":
    sys.exit(main())
