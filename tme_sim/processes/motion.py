"""Move cells through one tick: they walk and push each other, and count what they touch.

See ``integrator`` for the method, ``mechanics`` for pushes and ``motility`` for walks.
"""

# ruff: noqa: ANN001, ANN202 - kernels carry no annotations, and many columns

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.launch import launch
from tme_sim.fields import Microenvironment
from tme_sim.processes.cell_list import CellList, Space, take_rows
from tme_sim.processes.contact import CONTACTS, display
from tme_sim.processes.integrator import Integrator
from tme_sim.processes.mechanics import ContactProperties, bodies_of
from tme_sim.processes.motility import HALF_SATURATION, bias_of, depart, gait_of
from tme_sim.processes.process import Clock, Motion, Outputs, Pending
from tme_sim.state.columns import ALIVE, Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

PACKED_2D, PACKED_3D = 0.013644, 0.027289  # squared overlaps of a cell in equilibrium packing


class Moved(NamedTuple):
    """Columns that are written at the end of a tick."""

    position: NDArray[np.float64]
    direction: NDArray[np.float32]
    antigen_contact: NDArray[np.float32]
    PDL1_contact: NDArray[np.float32]
    B7_contact: NDArray[np.float32]
    death_contact: NDArray[np.float32]
    n_contacts: NDArray[np.float32]
    crowding: NDArray[np.float32]


READS = ("id", "type", "status", "radius", "position", "direction", "outputs")
WRITES = Moved._fields


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Move all cells to the end of the tick; columns of ``CONTACTS`` are means of the tick.

    Contacts are counted whether they move cells or not. Notes who has left through open walls, and
    the cell list of the new positions.
    """
    outputs, types = coupling.outputs(population), coupling.cell_types.contact
    grid = env.grid
    space = Space(grid.size, grid.dim == 2, coupling.domain.walls)
    bodies = _bodies(population, types, outputs, moved=coupling.mechanics)
    cells = CellList(space, population["radius"]).build(population["position"])
    shown = display(population, outputs, types.b7)
    walking = types.motile[population["type"]] & (population["status"] == ALIVE)
    walking &= coupling.motility
    bias = _bias(population, env, coupling.sensed if walking.any() else {}, outputs)
    gait = gait_of(population, space, walking=walking, outputs=outputs, bias=bias, clock=clock)
    order = cells.order
    here = (take_rows(bodies, order), take_rows(shown, order))
    way = Integrator(space, types, gait.of(order), depart(population, order), *here)
    way.run(clock.dt)
    _write_back(population, order, way, clock.dt)
    cells.build(population["position"])
    position = population["position"]
    outside = (position < 0.0) | (position > grid.size)
    left = outside[:, : space.axes].any(axis=1)
    motion = Motion(way.substeps, way.refused, way.error, cells, shown)
    return pending._replace(cleared=pending.cleared | left, motion=motion)


def _bodies(
    population: Population, types: ContactProperties, outputs: Outputs, *, moved: bool
) -> NDArray[np.float64]:
    """What contacts need of every cell; the dead do not adhere."""
    kind = population["type"]
    grip = outputs["adhesion"] * (1.0 + np.maximum(outputs["contraction"], 0.0))
    adhesion = types.adhesion[kind] * np.where(population["status"] == ALIVE, grip, 0.0)
    return bodies_of(
        population["position"],
        population["radius"],
        adhesion=np.maximum(adhesion, 0.0),
        repulsion=types.repulsion[kind],
        kind=kind,
        mobility=types.motile[kind] & moved,
    )


def _bias(
    population: Population, env: Microenvironment, sensed: Mapping[str, str], outputs: Outputs
) -> NDArray[np.float64]:
    """Pull of the sensed substrates that guide cells."""
    guides = {name: sensed[name] for name in HALF_SATURATION if name in sensed}
    gradients = {name: (env[guide], env.gradient(guide)) for name, guide in guides.items()}
    voxel = env.grid.voxel_of(population["position"])
    return bias_of(population, voxel, outputs=outputs, gradients=gradients)


def _write_back(
    population: Population, order: NDArray[np.int64], way: Integrator, dt: float
) -> None:
    """Write columns: where cells are, where they head, the mean of what they touched."""
    share = np.ones(len(CONTACTS)) / dt
    share[CONTACTS.index("crowding")] /= PACKED_2D if way.box.axes == 2 else PACKED_3D
    end = (way.bodies, way.walk.direction, way.exposure, share)
    launch(_write, len(order), order, *end, population.gather(Moved), weight=4)


def _write(place, order, bodies, heading, exposure, share, moved):
    """Write one cell back to its row."""
    i = order[place]
    for axis in range(3):
        moved.position[i, axis] = bodies[place, axis]
        moved.direction[i, axis] = heading[place, axis]
    moved.antigen_contact[i] = share[0] * exposure[place, 0]
    moved.PDL1_contact[i] = share[1] * exposure[place, 1]
    moved.B7_contact[i] = share[2] * exposure[place, 2]
    moved.death_contact[i] = share[3] * exposure[place, 3]
    moved.n_contacts[i] = share[4] * exposure[place, 4]
    moved.crowding[i] = share[5] * exposure[place, 5]
