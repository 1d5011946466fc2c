"""What all diffusion models share: processes, their networks, the average that samples, previews."""
