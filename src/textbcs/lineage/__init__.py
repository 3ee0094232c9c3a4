"""Room `lineage`: where a number comes from. Reads receipts, dvc.lock and the files themselves."""
