"""Keep the balances of each drug in a run file (`/balances`, see ``layout``)."""

from typing import TYPE_CHECKING

import h5py
import numpy as np

from tme_sim.therapy.balance import body_balance

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel

GROUP = "balances"


def write(file: h5py.File, model: "TumorModel") -> None:
    """Write where each drug of a model is now, over what was written before."""
    for gone in set(file.get(GROUP, ())) - set(model.therapy.bodies):  # a branch without it
        del file[GROUP][gone]
    for drug, body in model.therapy.bodies.items():
        _put(file, f"{GROUP}/{drug}/body", body_balance(body), "mg")
        if drug in model.drug_balance:
            _put(file, f"{GROUP}/{drug}/tissue", model.drug_balance.amounts(drug), "amol")


def _put(file: h5py.File, name: str, amounts: dict[str, float], unit: str) -> None:
    if name not in file:
        dataset = file.create_dataset(name, (len(amounts),), "f8")
        dataset.attrs["columns"], dataset.attrs["units"] = list(amounts), unit
    dataset = file[name]
    dataset[:] = np.array(list(amounts.values()))
    dataset.flush()  # while it is open: see `Recorder`
