"""What the stages have left, as the audit reads it: receipts, dvc.lock, git's history, hashes of files."""
