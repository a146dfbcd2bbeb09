"""The files that a run was made from, kept in the run file: to read and to compare, never to run.

`/inputs` of a run file (see ``layout``): tables of cells and the source of users' policies.
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np

from tme_sim.therapy import policies

if TYPE_CHECKING:
    from tme_sim.scenario import Scenario

GROUP = "inputs"
TABLE, POLICY = "table", "policy"


class Input(NamedTuple):
    """One file as it was when the run read it."""

    what: str  # table | policy
    path: str
    content: bytes

    @property
    def sha256(self) -> str:
        """As of ``sha256sum``."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8-sig", errors="replace")


def of(scenario: "Scenario") -> Iterator[Input]:
    """What a scenario reads besides itself and the catalogue, whose values it holds."""
    for path, text in scenario.files.items():
        yield Input(TABLE, path, text.encode())
    for name in scenario.policies:
        yield Input(POLICY, name, policies.source(name))


def write(file: h5py.File, scenario: "Scenario") -> None:
    """Add what the file does not hold yet; what a branch's past was made from stays."""
    group = file.require_group(GROUP)
    held = {(found.path, found.sha256) for found in read(file)}
    for found in of(scenario):
        if (found.path, found.sha256) in held:
            continue
        content = np.frombuffer(found.content, "u1")
        dataset = group.create_dataset(
            str(len(group)),
            data=content,
            chunks=(max(1, min(len(content), 1 << 20)),),
            maxshape=(None,),
            compression="gzip",
            fletcher32=True,
        )
        dataset.attrs.update({"what": found.what, "path": found.path, "sha256": found.sha256})
        dataset.attrs["units"] = "1"
        dataset.flush()  # while it is open: see `Recorder`


def read(file: h5py.File) -> tuple[Input, ...]:
    """All of them, the oldest first; none where the file is of an older format."""
    if GROUP not in file:
        return ()
    found = sorted(file[GROUP].items(), key=lambda item: int(item[0]))
    return tuple(
        Input(str(d.attrs["what"]), str(d.attrs["path"]), d[:].tobytes()) for _, d in found
    )
