"""Settings that are searched for: every model by the same number of trials, chosen by validation patients."""
