"""Inputs of teacher and network, a row per cell, at doses of drugs and other inputs by name."""

import numpy as np

from surrogates.channels import basal_inputs, genotype_bits
from surrogates.occupancy import SHIPPED_TABLE

NAMES = [channel.name for channel in SHIPPED_TABLE.inputs]


def inputs_at(*doses, genotype=()):
    medium = basal_inputs(len(doses), SHIPPED_TABLE.inputs)
    for row, values in zip(medium, doses, strict=True):
        for name, value in values.items():
            row[NAMES.index(name)] = value
    return SHIPPED_TABLE.at_targets(medium, np.full(len(doses), genotype_bits(genotype)))
