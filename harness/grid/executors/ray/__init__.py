"""Ray: one task for each cell, on an existing cluster or on one that is started here."""
