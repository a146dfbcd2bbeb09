"""The cell model's units on a network and measurements of the user's own."""

from surrogates.own_network.fit import Settings, fit

__all__ = ["Settings", "fit"]
