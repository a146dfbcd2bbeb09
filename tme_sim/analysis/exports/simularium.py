"""Write the cells of a run for the Simularium viewer (Lyons et al. 2022), binary.

An agent per cell, typed "<cell type>" while it lives and "<cell type>#<status>" after, as the
viewer groups states; its number is the row of the cell in ``run.pedigree``, since the viewer takes
no numbers beyond 32 bits. The origin is the middle of the domain, lengths are um, times hours.
"""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from simulariumio import (
    DISPLAY_TYPE,
    AgentData,
    CameraData,
    DisplayData,
    MetaData,
    ModelMetaData,
    ScatterPlotData,
    TrajectoryConverter,
    TrajectoryData,
    UnitData,
)

from tme_sim.analysis.figures.palette import DEAD_COLOR, TYPE_LABELS, type_color
from tme_sim.output.run import Run
from tme_sim.scenario.units import HOUR
from tme_sim.state.columns import ALIVE, STATUS_NAMES

SPHERE = 1000.0  # the viewer's code of an agent that is no fiber
FIELD_OF_VIEW = 60.0  # [degrees] of the viewer's camera
LIVING = STATUS_NAMES[ALIVE]


def write(run: Run, frames: range, path: Path) -> None:
    """Write the file ``path``, which ends in .simularium."""
    with contextlib.redirect_stdout(io.StringIO()):  # the package reports its steps there
        _trajectory(run, frames).save(str(path.with_suffix("")), binary=True, validate_ids=True)


def _trajectory(run: Run, frames: range) -> TrajectoryConverter:
    """All frames as one trajectory, with the burden as a plot."""
    size = np.array([n * run.voxel for n in reversed(run.shape)])
    meta = MetaData(
        box_size=size,
        scale_factor=1.0,
        camera_defaults=_camera(size, len(run.size)),
        trajectory_title=f"{run.name}, seed {run.seed}",
        model_meta_data=ModelMetaData(
            title="tme-sim", version=str(run.provenance["tme_sim"]), description=run.digest()
        ),
    )
    made = TrajectoryConverter(
        TrajectoryData(
            meta_data=meta,
            agent_data=_agents(run, frames, size),
            time_units=UnitData("hour"),
            spatial_units=UnitData("um"),
        )
    )
    made.add_plot(_burden(run, frames), "scatter")
    return made


def _camera(size: np.ndarray, dim: int) -> CameraData:
    """From where all of the tissue is seen: from above in 2D, from a corner in 3D."""
    direction = np.array([0.0, 0.0, 1.0] if dim == 2 else [0.62, -1.0, 0.55])
    reach = np.linalg.norm(size) / 2.0  # of the ball around the tissue
    away = reach / np.sin(np.radians(FIELD_OF_VIEW) / 2.0)
    return CameraData(
        position=away * direction / np.linalg.norm(direction),
        look_at_position=np.zeros(3),
        up_vector=np.array([0.0, 1.0, 0.0] if dim == 2 else [0.0, 0.0, 1.0]),
        fov_degrees=FIELD_OF_VIEW,
    )


def _agents(run: Run, frames: range, size: np.ndarray) -> AgentData:
    number = pd.Series(np.arange(len(run.pedigree)), index=run.pedigree["id"].to_numpy())
    shape = (len(frames), int(run.n_cells[list(frames)].max()))
    ids, radii, positions = np.zeros(shape, int), np.zeros(shape), np.zeros((*shape, 3))
    types: list[list[str]] = []
    for k, frame in enumerate(frames):
        cells = run.frame(frame, ("id", "position", "radius", "type", "status"))
        n = len(cells["id"])
        ids[k, :n] = number.loc[cells["id"]]
        radii[k, :n] = cells["radius"]
        positions[k, :n] = cells["position"] - size / 2
        types.append(_names(run, cells["type"], cells["status"]))
    return AgentData(
        times=run.times[list(frames)] / HOUR,
        n_agents=run.n_cells[list(frames)],
        viz_types=np.full(shape, SPHERE),
        unique_ids=ids,
        types=types,
        positions=positions,
        radii=radii,
        display_data=_looks(
            {name for names in types for name in names}, run.columns["type"]["categories"]
        ),
    )


def _names(run: Run, types: np.ndarray, status: np.ndarray) -> list[str]:
    kinds = run.columns["type"]["categories"]
    states = run.columns["status"]["categories"]
    return [
        kinds[t] if states[s] == LIVING else f"{kinds[t]}#{states[s]}"
        for t, s in zip(types.tolist(), status.tolist(), strict=True)
    ]


def _looks(names: set[str], types: Sequence[str]) -> dict[str, DisplayData]:
    looks = {}
    for name in sorted(names):
        kind, _, state = name.partition("#")
        label = TYPE_LABELS.get(kind, kind) + (f"#{state}" if state else "")
        color = DEAD_COLOR if state else type_color(kind, types)
        looks[name] = DisplayData(name=label, display_type=DISPLAY_TYPE.SPHERE, color=color)
    return looks


def _burden(run: Run, frames: range) -> ScatterPlotData:
    metrics = run.metrics
    shown = metrics[metrics["time"].between(run.times[frames[0]], run.times[frames[-1]])]
    return ScatterPlotData(
        title="Burden",
        xaxis_title="time [h]",
        yaxis_title="living tumor cells",
        xtrace=shown["time"].to_numpy() / HOUR,
        ytraces={"burden": shown["burden"].to_numpy()},
        render_mode="lines",
    )
