"""The training loop that every stage shares, except unit2unit, which trains on fairseq."""

import avcore  # noqa: F401  before torch: it says how torch's threads wait
