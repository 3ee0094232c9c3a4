"""An export that was received: what it holds against its metadata, its receipts, and what made it."""
