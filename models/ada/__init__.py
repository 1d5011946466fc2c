"""ADA's pipeline of augmentations that don't leak (Karras et al. 2020): what it does, and how often."""
