"""Kubernetes: an Indexed Job on a shared volume, written as a file, and applied by kubectl on request."""
