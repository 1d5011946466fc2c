"""Radiomic features of whole images: intensity and texture, without a network and without weights."""
