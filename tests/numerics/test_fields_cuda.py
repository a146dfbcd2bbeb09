"""The field kernels run on CUDA as they are: the same fields in numba's simulator."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
import numpy as np
import tme_sim.compute.chunks
from tme_sim.fields import Grid, Microenvironment, Substrate
tme_sim.compute.chunks.THREADS = 3  # the simulator starts a Python thread for each
out, device = sys.argv[1:]
results = {}
for k, (shape, walls) in enumerate([
    ((1, 4, 5), {"all": 2.0}),
    ((3, 2, 3), {"x_low": "periodic", "x_high": "periodic", "z_low": 1.0}),
]):
    rng = np.random.default_rng(k)
    substrate = Substrate("s", 3e3, 0.1, rng.random(shape), walls)
    env = Microenvironment(Grid(shape), [substrate], dtype=np.float64, substeps=1, device=device)
    env.set_exchange("s", rng.random(shape), 5.0 * rng.random(shape) ** 3)
    env.set_saturating_uptake("s", 3.0 * rng.random(shape), 0.5)
    env.set_vessels("s", rng.random(shape) < 0.2, 3.0)
    env.fix("s", rng.random(shape) < 0.1, 1.5)
    report = env.step(0.1)
    results |= {f"c{k}": env["s"], f"u{k}": env.realised_uptake("s")}
    results[f"b{k}"] = list(report.balance.values())
np.savez(out, **results)
"""


def _run(tmp_path, device, **variables):
    out = tmp_path / f"{device}.npz"
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    subprocess.run([sys.executable, "-c", SCRIPT, str(out), device], check=True, env=environment)
    return np.load(out)


def test_the_same_kernels_on_cuda_give_the_same_fields(tmp_path):
    host = _run(tmp_path, "cpu")
    simulated = _run(tmp_path, "cuda", NUMBA_ENABLE_CUDASIM="1")
    assert set(host) == set(simulated)
    for name in host:
        np.testing.assert_allclose(simulated[name], host[name], rtol=1e-9, atol=1e-12)
