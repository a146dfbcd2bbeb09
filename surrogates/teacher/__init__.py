"""The mechanistic teacher: ordinary differential equations over the units of the prior network."""
