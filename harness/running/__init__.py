"""One cell, from a request to a record."""
