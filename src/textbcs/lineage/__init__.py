"""Where a number comes from, and whether it is true: from receipts, dvc.lock and the files themselves."""
