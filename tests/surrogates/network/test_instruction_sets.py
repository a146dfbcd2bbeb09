"""The network's bits do not depend on the machine: vectors of other widths, or none that fuse.

Run as a script, this file prints what the kernels of its process decide, as a hash.
"""

import hashlib
import os
import platform
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import surrogates
from surrogates.channels import CELL_TYPES, NODES, basal_inputs
from surrogates.contract import Cells
from surrogates.network.cpu import TILE
from surrogates.network.ensemble import TmeCell
from surrogates.network.residual import LARGEST, Residual

OLD = "nehalem"  # four lanes, no fused multiply-add: the mathematical library fuses
N_CELLS = TILE + 70


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors")
def test_a_processor_of_2008_decides_the_same_bits(tmp_path):
    settings = {"NUMBA_CPU_NAME": OLD, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | settings | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [OLD, decide()]


def decide():
    """Hash of decisions about all types and genotypes, with and without a residual, in batches."""
    plain, digest = surrogates.load("tme-cell").model, hashlib.sha256()
    with_residual = TmeCell(
        plain.network,
        replace(plain.raw, residual=open_gates(plain)),
        plain.domain,
        name="open",
        hash="",
    )
    cells = draw()
    for model in (plain, with_residual):
        whole = step(model, cells)
        for array in whole:
            digest.update(array.tobytes())
        for rows in (slice(17, 18), slice(5, 105), slice(None, None, -1)):
            part = step(model, cells.take(rows).contiguous())
            for ours, theirs in zip(part, whole, strict=True):
                np.testing.assert_array_equal(ours, theirs[rows])
    return digest.hexdigest()


def step(model, cells):
    out = model.allocate(len(cells))
    model.step(cells, 6.0, out=out)
    return out


def draw():
    rng = np.random.default_rng(6)
    inputs = basal_inputs(N_CELLS)
    inputs *= rng.uniform(0.0, 3.0, inputs.shape).astype(np.float32)
    inputs += (rng.random(inputs.shape) < 0.1) * rng.random(inputs.shape).astype(np.float32)
    return Cells(
        rng.random((N_CELLS, len(NODES)), np.float32),
        inputs.astype(np.float32),
        rng.integers(0, 2**17, N_CELLS, np.int32),
        np.sort(rng.integers(0, len(CELL_TYPES), N_CELLS)).astype(np.int8),
    )


def open_gates(model):
    """Two nodes in three have a gate, up to LARGEST."""
    rng, n, n_sources = np.random.default_rng(4), len(NODES), model.network.n_sources
    write = rng.normal(size=(n, 4)) * (rng.random((n, 1)) < 2 / 3)
    write *= LARGEST / np.maximum(np.abs(write).sum(axis=1, keepdims=True), 1e-9)
    arrays = rng.normal(size=(4, n_sources)), rng.normal(size=4), write * rng.random((n, 1))
    return Residual(*(a.astype(np.float32) for a in arrays))


if __name__ == "__main__":
    print(os.environ["NUMBA_CPU_NAME"], decide())
