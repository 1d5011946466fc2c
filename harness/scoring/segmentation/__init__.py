"""A small network that learns to segment by a fixed recipe, and how well it agrees with the truth."""
