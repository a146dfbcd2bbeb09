"""What recording costs: its share of a run's time, measured within one run.

    python tests/benchmarks/recording.py [SCENARIO] [--hours 24] [--json]

A run alternates ticks of the model, rows of metrics and frames; the time of each kind is the median
over the run, the share that of a run at the scenario's own interval of frames: rows and flushes of
every tick and frames of every interval, over everything. Checkpoints are beside it: they are what
a run resumes from, not what it records.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from tme_sim.model.tumor_model import TumorModel
from tme_sim.output.recorder import Recorder
from tme_sim.scenario import load_scenario
from tme_sim.state import checkpoint

QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"
ASKED = 0.05  # of the quickstart's time, at one frame per 6 hours


def measure(scenario, hours, folder):
    """Medians [s] of a tick, a row of metrics, a frame and a checkpoint, and the shares."""
    model = TumorModel(scenario)
    path = Path(folder) / "run.h5"
    recorder = Recorder(path, model)
    frame_ticks = round(scenario.time.frame_every / scenario.time.tick)
    spent = {"tick": [], "row": [], "frame": [], "checkpoint": []}
    for _ in range(round(hours * 60 / scenario.time.tick)):
        _timed(spent["tick"], model.step)
        _timed(spent["row"], recorder.tick, model)
        if model.tick_index % frame_ticks == 0:
            _timed(spent["frame"], recorder.frame, model)
            state = {"model": model.state(), "recorder": recorder.state()}
            _timed(spent["checkpoint"], checkpoint.save, folder, model.tick_index, state)
    recorder.finish(model, "duration")
    medians = {name: statistics.median(times) for name, times in spent.items()}
    per_day = {"tick": 1440.0 / scenario.time.tick, "row": 1440.0 / scenario.time.tick}
    per_day |= {"frame": 1440.0 / scenario.time.frame_every}
    per_day |= {"checkpoint": 1440.0 / scenario.time.checkpoint_every}
    day = {name: medians[name] * times for name, times in per_day.items()}
    whole = sum(day.values())
    return {
        "cells": int(model.population.n),
        "ticks": len(spent["tick"]),
        "frames": len(spent["frame"]),
        "bytes_per_frame": path.stat().st_size / len(spent["frame"]),
        "ms": {name: 1e3 * seconds for name, seconds in medians.items()},
        "recording": (day["row"] + day["frame"]) / whole,
        "checkpoints": day["checkpoint"] / whole,
        "asked": ASKED,
    }


def _timed(times, function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    times.append(time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", type=Path, nargs="?", default=QUICKSTART)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(load_scenario(options.scenario), options.hours, folder)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    ms = ", ".join(f"{name} {value:.2f} ms" for name, value in found["ms"].items())
    print(f"{found['cells']} cells, {found['ticks']} ticks; medians: {ms}")
    print(f"recording {found['recording']:.2%} of the run (asked: at most {ASKED:.0%})")
    print(f"checkpoints {found['checkpoints']:.2%}")


if __name__ == "__main__":
    main()
