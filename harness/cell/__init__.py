"""What a cell is, and what it leaves: its spec, the protocol that it keeps, its record."""
