"""Stochastic Boolean models in the MaBoSS format: nodes that flip at rates set by logic.

A model is a .bnd file (per node: logic, other attributes, rate_up, rate_down) and a .cfg file
(values of $variables, initial states). Every node flips on at rate_up while off, off at rate_down
while on; MaBoSS simulates the process exactly (Stoll 2012, BMC Syst Biol 6:116,
doi:10.1186/1752-0509-6-116; Stoll 2017, Bioinformatics 33:2226). Its engine is the package
`cmaboss`, which comes with the extra `boolean`.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from surrogates.channels import find

if TYPE_CHECKING:
    from cmaboss_dn import MaBoSSSim

SOME = "max_time = 1;"  # the engine aborts where a file says nothing; `on_time` has its own
MISSING = "Boolean models are simulated by MaBoSS: pip install tme-sim[boolean]"


@dataclass(frozen=True)
class BooleanModel:
    """Nodes in the order of the network's file, and the texts of both files."""

    nodes: tuple[str, ...]
    network: str
    settings: str

    def on_time(
        self, fixed: Mapping[str, bool], *, copies: int, time: float, seed: int
    ) -> np.ndarray:
        """Share of the second half of `time` that each node is on (n_nodes,), mean of copies.

        `fixed` nodes keep their value from the start: a loss (False) or an activation (True).

        Raises:
            UnknownName: a fixed node is not in the model.
        """
        for name in fixed:
            find(name, self.nodes, "node of the Boolean model")
        # made anew: a copy shares its network with the original, which is freed twice
        simulation = _simulation(self.network, config_str=f"{SOME}\n{self.settings}")
        for name, value in fixed.items():
            simulation.mutate(name, "ON" if value else "OFF")
            simulation.network.set_istate(name, [1.0 - value, float(value)])
        simulation.network.set_output(list(self.nodes))
        simulation.update_parameters(
            time_tick=0.5 * time,  # probabilities are means over a tick
            max_time=time,
            sample_count=copies,
            seed_pseudorandom=seed,
            thread_count=1,
        )
        by_tick, _, names, _ = simulation.run(only_last_state=False).get_nodes_probtraj()
        return np.asarray(by_tick)[1, [names.index(name) for name in self.nodes]]


def load(bnd: str | Path, cfg: str | Path) -> BooleanModel:
    """Read a model.

    Raises:
        ValueError: the files cannot be read, in the words of MaBoSS.
        ModuleNotFoundError: the extra is not installed.
    """
    # comments come in any encoding, and MaBoSS reads UTF-8
    network, settings = (Path(path).read_text("utf-8", errors="replace") for path in (bnd, cfg))
    with tempfile.TemporaryDirectory() as folder:  # the engine ends the process over a wrong text
        place = Path(folder) / Path(cfg).name
        place.write_text(f"{SOME} {settings}", "utf-8")
        try:
            simulation = _simulation(network, config=str(place))
        except ValueError as error:
            told = str(error).replace(str(place), str(cfg))
            msg = told if str(cfg) in told else f"{bnd}: {told}"
            raise ValueError(msg) from error
    return BooleanModel(tuple(simulation.get_nodes()), network, settings)


def _simulation(network: str, **settings: str) -> "MaBoSSSim":
    """The engine without a limit on the number of nodes; settings as `config_str` or `config`."""
    try:
        from cmaboss_dn import BNException, MaBoSSSim  # extra `boolean`
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING) from error
    try:
        return MaBoSSSim(network_str=network, **settings)
    except BNException as error:
        raise ValueError(str(error)) from error


__all__ = ["BooleanModel", "load"]
