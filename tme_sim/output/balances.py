"""Keep the balances of each drug in a run file (`/balances`, see ``layout``)."""

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from tme_sim.therapy.balance import BODY, TISSUE, body_balance, gap

if TYPE_CHECKING:
    import pandas as pd

GROUP = "balances"


def write(file: h5py.File, model: Any) -> None:
    """Write where each drug of a model is now, over what was written before."""
    for gone in set(file.get(GROUP, ())) - set(model.therapy.bodies):  # a branch without it
        del file[GROUP][gone]
    for drug, body in model.therapy.bodies.items():
        _put(file, f"{GROUP}/{drug}/body", body_balance(body), "mg")
        if drug in model.drug_balance:
            _put(file, f"{GROUP}/{drug}/tissue", model.drug_balance.amounts(drug), "amol")


def read(file: h5py.File) -> "pd.DataFrame":
    """One row per drug and part (body, tissue): amount by name, unit, and the gap.

    The gap is what a balance leaves unexplained, as a share of its throughput.
    """
    import pandas as pd

    rows = []
    for drug, parts in file.get(GROUP, {}).items():
        for part, dataset in parts.items():
            names = [str(name) for name in dataset.attrs["columns"]]
            amounts = dict(zip(names, dataset[:].tolist(), strict=True))
            unit = str(dataset.attrs["units"])
            rows.append({"drug": drug, "part": part, "unit": unit, "gap": gap(amounts), **amounts})
    columns = ["drug", "part", "unit", "gap", *dict.fromkeys((*BODY, *TISSUE))]
    return pd.DataFrame(rows, columns=columns).set_index(["drug", "part"])


def _put(file: h5py.File, name: str, amounts: dict[str, float], unit: str) -> None:
    if name not in file:
        dataset = file.create_dataset(name, (len(amounts),), "f8")
        dataset.attrs["columns"], dataset.attrs["units"] = list(amounts), unit
    file[name][:] = np.array(list(amounts.values()))
