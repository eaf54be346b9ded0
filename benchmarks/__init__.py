"""Speed and memory of each stage at published size, beside a plain baseline in the same run: `make bench`."""
