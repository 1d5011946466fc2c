"""Results that travel: archives of records, the card that goes with them, and a board of many."""
