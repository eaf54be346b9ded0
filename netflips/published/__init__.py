"""Models that others publish: what there is (`catalogue.yaml`), getting it, and finding it by name ever after."""
