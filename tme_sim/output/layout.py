"""The run file: what a file written by tme-sim holds, and how a reader must understand it.

Run file format, version 3
==========================
One HDF5 file per run. MUST and MAY are meant as in RFC 2119. All text is UTF-8. A data set of
numbers MUST have the attribute ``units`` ("1" where it has no dimension).

Root attributes
    ``format``          MUST be "tme-sim run".
    ``format_version``  MUST be an integer. A reader MUST refuse a larger one than it knows.
    ``run``             MAY be text: an identity, which no other run has; checkpoints name it.
    ``committed``       MUST be int64[6]: how many frames, padded cell rows, lineage rows, events,
                        metrics rows and clones are whole, in this order. It is written after
                        what it counts: a reader MUST ignore everything beyond it.
    ``complete``        MUST be a boolean, true only once the run has reached its end.
    ``stop_reason``     MUST be text: why the run ended; "" while it has not. Where it is not "",
                        the file MUST end with a seal (see ``seal``), and a reader MUST refuse one
                        without, and what is not as it was sealed. (Version 1 had no seal.)

``/scenario`` (group)
    ``source`` text: the scenario file as given. ``resolved`` text: JSON of every value in force,
    in internal units. (Before version 3 a drug named the input that sensed it, and a potency.)
    ``past`` text: JSON of what a branch's past was made under, a list of
    {"until": min, "resolved": as above}; MAY be absent. Attributes ``name``, ``seed``, ``size``
    (float64[2 or 3] um, x y z), ``voxel`` (um), ``shape`` (int64[3], voxels in z y x).
``/provenance`` (attributes, text or integers)
    MUST name the versions of python, tme_sim, numpy and h5py, the cell model with its hash, the
    seed and the start time; MAY name more. A branch MUST name its ``parent``, ``branch_time`` and
    ``parent_digest``.
``/inputs/<number>`` uint8 (n_bytes,)
    MAY be there: a file that the run was made from, as it was then; attributes ``what`` ("table"
    of cells or "policy"), ``path`` and ``sha256``. To read and to compare: a reader MUST NOT
    execute it.
``/frames``
    ``time`` float64 (n_frames,) min; ``tick`` int64 (n_frames,);
    ``start`` and ``count`` int64 (n_frames,): frame k owns rows start[k] to start[k] + count[k]
    of every data set in ``/cells``.
``/cells/<name>`` (n_rows,) or (n_rows, 3)
    One data set per recorded quantity; attributes ``units``, ``meaning`` and ``source``: "column"
    (of the body), "node" (of the cell model's state), "output" or "input" (of the cell model).
    Values MAY be stored in fewer bits than the model computes in. Every frame starts on a chunk
    boundary, so that writing a frame never touches the bytes of an earlier one; rows between the
    end of a frame and the start of the next are padding and MUST be ignored. These chunks, and
    those of fields and situations, carry Fletcher's checksum, also while the run goes on.
    ``id, type, group, clone, position, radius, status, phase`` MUST be there.
    ``type``, ``group``, ``phase`` and ``status`` MUST have an attribute ``categories``: the names
    that the codes count.
``/fields/<name>`` float32 (n_frames, nz, ny, nx)
    Concentration in each voxel. MAY be absent.
``/situations`` MAY be there: what a sample of the frame's cells sensed, with what and as what.
    ``inputs`` float32 (n_frames, n_sample, n_inputs), attributes ``channels`` and ``units`` name
    the inputs; ``genotype`` int32, ``type`` int8 (n_frames, n_sample): the cell model's codes,
    -1 for a place without a cell.
``/balances/<drug>/body`` and ``/balances/<drug>/tissue`` float64 MAY be there: where the drug is
    at the last frame, or at the end; attributes ``columns`` (their names) and ``units``.
``/clones`` and ``/lineage`` and ``/events``
    One data set per column, see ``TABLES``.
``/metrics/values`` float64 (n_ticks, n_columns)
    One row per tick; attributes ``columns`` and ``column_units``, text[n_columns].
``/timers`` (attributes, float64, s)
    Wall time per process of the tick. Not a result.

The result
    ``digest`` (see ``tme_sim.output.run``) covers frames, cells, fields, clones, lineage, events
    and metrics in committed extent, and nothing else.

Plain HDF5, not SWMR: the file is flushed before and after ``committed`` is raised, and opens again
after the writer was killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tme_sim.errors import InputError

FORMAT = "tme-sim run"
FORMAT_VERSION = 3
SEALED_SINCE = 2  # version of the format

REQUIRED_COLUMNS = ("id", "type", "group", "clone", "position", "radius", "status", "phase")
NAMED = ("type", "group", "phase", "status")  # columns whose codes have names
STANDARD_COLUMNS = (
    *REQUIRED_COLUMNS,
    "volume",
    "crowding",
    "in_domain",
    "sigma",
)
STANDARD_OUTPUTS = ("growth_rate", "g1s_rate", "apoptosis_rate", "kill_rate", "PDL1")
STANDARD_NODES = (
    "ERK",
    "AKT",
    "mTORC1",
    "E2F",
    "p53",
    "HIF1A",
    "STAT1",
    "STAT3",
    "NFkB",
    "YAP",
    "CASP3",
    "ATP",
    "PERSISTER",
    "TOX",
)

# Smaller numbers than the model's where nothing is lost that a reader could use: node levels lie
# in [0, 1] and are known to a per cent at best; positions to 0.1 um.
STORED_DTYPE = {"node": "f2", "position": "f4"}

# Stop reason of a run that did not reach its end and can be resumed.
INTERRUPTED = "interrupted"
REPAIRED = "repaired"  # and what was lost: stop reason of a copy of what was whole

POLICY = "policy "  # and its name: the fact of /provenance that holds the hash of a user's policy

RESUMED = "resumed "  # and when: a fact of /provenance that tells what was another than at first

MIN_CHUNK_ROWS = 512
MAX_CHUNK_ROWS = 65536
TABLE_CHUNK_ROWS = 2048


class RunFileError(InputError):
    """A file that is no run file, or one that this version cannot read."""


class Extent(NamedTuple):
    """How much of a run file is whole: the ``committed`` attribute."""

    frames: int = 0
    rows: int = 0
    lineage: int = 0
    events: int = 0
    metrics: int = 0
    clones: int = 0


@dataclass(frozen=True)
class TableColumn:
    """One column of an append-only table."""

    name: str
    dtype: str
    units: str
    meaning: str


TABLES: dict[str, tuple[TableColumn, ...]] = {
    "lineage": (
        TableColumn("time", "f8", "min", "when it happened"),
        TableColumn("id", "i8", "1", "the cell"),
        TableColumn("mother", "i8", "1", "its mother; 0 or itself where it has none"),
        TableColumn("event", "S16", "1", "what happened to the cell"),
        TableColumn("cause", "S24", "1", "why; empty where there is nothing to tell"),
        TableColumn("clone", "i4", "1", "index into /clones"),
    ),
    "events": (
        TableColumn("time", "f8", "min", "when it happened"),
        TableColumn("kind", "text", "1", "dose, missed, visit, therapy, toxicity, mutation ..."),
        TableColumn("text", "text", "1", "what happened, in words"),
    ),
    "clones": (
        TableColumn("index", "i4", "1", "value of the column `clone`"),
        TableColumn("parent", "i4", "1", "index of the clone it arose from; -1 for founders"),
        TableColumn("genotype", "i4", "1", "bits, see Scenario.genotypes"),
        TableColumn("time", "f8", "min", "when it arose"),
        TableColumn("name", "text", "1", "its name"),
    ),
}


def stop_reason(attributes: Mapping[str, Any]) -> str:
    """Why a run ended; "" while it has not, and where a kill in its last moment left pieces."""
    try:
        return str(attributes["stop_reason"])
    except (KeyError, OSError, RuntimeError):
        return ""


def must_be_sealed(attributes: Mapping[str, Any]) -> bool:
    """Whether a run file has ended, in a format whose files carry a seal then."""
    return bool(attributes["format_version"] >= SEALED_SINCE and stop_reason(attributes))


def chunk_rows(n_cells: int) -> int:
    """Rows per chunk of ``/cells``: a power of two near a quarter of a frame.

    Padding then costs an eighth of a frame on average, before compression.
    """
    quarter = max(1, n_cells // 4)
    return min(MAX_CHUNK_ROWS, max(MIN_CHUNK_ROWS, 1 << (quarter - 1).bit_length()))


def padded(n_rows: int, chunk: int) -> int:
    """The number of rows that a frame of ``n_rows`` occupies, a whole number of chunks."""
    return -(-n_rows // chunk) * chunk
