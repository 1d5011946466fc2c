"""Tables from records: counts, scores, comparisons."""
