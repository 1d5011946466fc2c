"""From raw files to image sets: fetch, read, make square, resize, keep."""
