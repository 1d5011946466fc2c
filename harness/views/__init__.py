"""Pictures and pages from records and checkpoints."""
