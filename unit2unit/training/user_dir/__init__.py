"""Its one folder is for fairseq's `--user-dir`, which puts the folder around it on the module path."""
