"""Scores of images or of their features: one file for each kind."""
