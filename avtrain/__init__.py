"""The training loop shared by every stage but unit2unit (which trains on fairseq)."""

import avcore  # noqa: F401  before torch: it says how torch's threads wait
