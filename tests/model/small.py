"""A small treated tumor that has everything in it: the scenario behind the tests of promises."""

import copy

import tme_sim

SMALL = {
    "format": 1,
    "name": "small",
    "seed": 5,
    "time": {
        "duration": "12 h",
        "tick": "6 min",
        "frame_every": "3 h",
        "checkpoint_every": "3 h",
    },
    "domain": {"size": ["300 um", "300 um"], "voxel": "20 um"},
    "substrates": {
        "oxygen": {"boundary": {"all": "20 mmHg"}},
        "glucose": {"boundary": {"all": "5 mM"}},
        "HGF": None,
        "IFNg": None,
    },
    "cells": {
        "tumor": {
            "type": "tumor",
            "genotype": ["BRAF_V600E"],
            "count": 80,
            "placement": {"disk": {"radius": "90 um"}},
            "represents": "1e7 cells",
        },
        "fibroblast": {
            "type": "fibroblast",
            "count": 12,
            "placement": {"ring": {"inner": "95 um", "outer": "130 um"}},
        },
        "vessel": {"type": "endothelial", "placement": {"poisson": {"spacing": "100 um"}}},
        "cd8": {"type": "cd8_t", "supply": "20 per hour"},
    },
    "therapy": [{"drug": "vemurafenib", "dose": "960 mg", "every": "6 h", "start": "2 h"}],
    "evolution": {"NRAS_Q61": {"rate": "1e-2 per division"}},
    "output": {"fields": ["oxygen", "vemurafenib"], "columns": "standard"},
}


def small(overrides: dict | None = None, **sections: object) -> tme_sim.Scenario:
    """The small scenario with whole sections replaced (None removes one) and with overrides."""
    data = {key: value for key, value in {**SMALL, **sections}.items() if value is not None}
    return tme_sim.load_scenario(copy.deepcopy(data), overrides)
