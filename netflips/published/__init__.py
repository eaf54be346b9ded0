"""Models that others publish: the list of them (`catalogue.yaml`), downloading them, and finding them by name afterwards."""
