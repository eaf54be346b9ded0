"""Speed and memory of each stage at published size, side by side with a plain baseline in one run: `make bench`."""
