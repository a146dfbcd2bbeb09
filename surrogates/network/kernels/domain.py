"""Judge the situations of a tile of cells against the training domain, see `network.domain`."""

import numpy as np

from surrogates.network.domain import PRESENT
from surrogates.network.kernels.arithmetic import fma, inner
from surrogates.network.kernels.drives import add_rows, fill

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@inner
def check_box(raw, x, first, domain, out):
    """1 for the lanes whose raw inputs all lie in the box and whose counts are known, else 0.

    `raw`: (n_inputs, lanes); features are rows of x from `first` on. Not a number is outside.
    """
    fill(out, _ONE)
    for k in range(domain.low.size):
        row, least, most = raw[k], domain.low[k], domain.high[k]
        for j in range(out.size):
            out[j] = out[j] if least <= row[j] <= most else _ZERO
    count = np.empty(out.size, np.float32)
    for g in range(domain.most_present.size):
        low, high = domain.groups[g, 0], domain.groups[g, 1]
        _count_present(x[first + low : first + high], count)
        limit = domain.most_present[g]
        for j in range(out.size):
            out[j] = out[j] if count[j] <= limit else _ZERO


@inner
def _count_present(rows, out):
    fill(out, _ZERO)
    for k in range(rows.shape[0]):
        row = rows[k]
        for j in range(out.size):
            out[j] += _ONE if row[j] > PRESENT else _ZERO


@inner
def measure_distance(x, first, live, domain, work):
    """Squared distances of the lanes of a tile, |L x - L mean|^2; features are rows of x.

    They are the rows from `first` on; those that are not `live` are zero in the whole tile and left
    out, which changes no bit. `work`: rows for the result and for one sum.
    """
    out, part = work[0], work[1]
    n_features = domain.centre.size
    features = x[first : first + n_features]
    chosen, n_chosen = np.empty(n_features, np.int64), 0
    fill(out, _ZERO)
    for r in range(n_features):
        if live[first + r]:
            chosen[n_chosen] = r
            n_chosen += 1
        fill(part, -domain.centre[r])
        add_rows(features, chosen[:n_chosen], domain.whiten[r], part)  # zeros right of the diagonal
        for j in range(out.size):
            out[j] = fma(part[j], part[j], out[j])
