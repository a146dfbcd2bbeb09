"""A scan of the small scenario under a constant cell model, cheap enough to run often."""

import copy

import yaml

from tests.model.small import SMALL

RATES = {
    "tumor": {
        "g1s_rate": "0.05 per hour",
        "g2m_rate": "0.2 per hour",
        "growth_rate": "0.04 per hour",
        "apoptosis_rate": "0.01 per hour",
    }
}
SCENARIO = {
    **SMALL,
    "time": {"duration": "4 h", "tick": "12 min", "frame_every": "1 h", "checkpoint_every": "1 h"},
    "cells": {
        **SMALL["cells"],
        "tumor": {k: v for k, v in SMALL["cells"]["tumor"].items() if k != "represents"},
    },
    "surrogate": {"name": "constant", "rates": RATES},
    "output": {"fields": "all", "columns": ["volume"]},
    "therapy": [{"drug": "vemurafenib", "dose": "960 mg", "every": "1 h", "start": "2 h"}],
}
SCAN = {
    "format": 1,
    "scenario": "small.yaml",
    "store": "store",
    "axes": {"therapy.0.dose": ["240 mg", "960 mg"]},
    "replicates": 2,
    "outcomes": {
        "burden_end": {"burden": {}},
        "given": {"cumulative_dose": {"drug": "vemurafenib"}},
        "ttp": {"time_to_progression": {"factor": 1.05}},
        "resistant": {"resistant_fraction": {}},
    },
}


def write(folder, name="scan.yaml", **sections):
    """Write scenario and scan into a folder; the store lies there too."""
    (folder / "small.yaml").write_text(yaml.safe_dump(SCENARIO, sort_keys=False))
    data = {key: v for key, v in {**copy.deepcopy(SCAN), **sections}.items() if v is not None}
    data["store"] = str(folder / data["store"])
    path = folder / name
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


class Here:
    """Stands for a Dask client: tasks are done at once, in this process."""

    class Future:
        status = "finished"

        def __init__(self, value, error=None):
            self.value, self.error = value, error

        def done(self):
            return True

        def exception(self):
            return self.error

        def result(self):
            return self.value

    def __init__(self):
        self.submitted = []

    def submit(self, function, job, *terms, pure, **_where_and_when):
        assert not pure
        self.submitted.append(job.key)
        given = [term.value if isinstance(term, Here.Future) else term for term in terms]
        try:
            return Here.Future(function(job, *given))
        except RuntimeError as error:
            return Here.Future(None, error)

    def wait_for_workers(self, _n):
        return None

    def scheduler_info(self):
        return {"workers": {"here": None}}

    def processing(self):
        return {}
