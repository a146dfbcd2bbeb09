"""The tissue as a Mesa model, and its tick."""
