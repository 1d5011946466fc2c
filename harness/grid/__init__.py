"""Many cells: which they are, where they stand, and who computes them."""
