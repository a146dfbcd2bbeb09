"""Scans of a scenario: many runs, shared pasts, paired arms, one store."""
