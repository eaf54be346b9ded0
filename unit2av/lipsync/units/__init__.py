"""The face renderer as a lip-sync backend: 96 x 96 pixels from units, as published."""
