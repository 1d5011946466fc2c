"""Feature spaces: fixed networks that turn images into vectors."""
