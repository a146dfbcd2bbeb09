"""Scores of a cell model: against its teacher, measurements and rivals; the card."""
