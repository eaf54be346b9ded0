"""The ground floor: what every stage needs and no stage owns."""

import os

# Read once, when torch loads its OpenMP runtime, so every room imports this one first. Threads that wait for others would
# spin by default: when another process has one of two cores, two threads then take three times as long as on a free machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The same of numpy's: they spin for 20 ms after each product, a fifth of the processor time of a short dub. 2^4 cycles is least.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
