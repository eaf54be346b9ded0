"""Its one folder is the former one for fairseq's `--user-dir`."""
