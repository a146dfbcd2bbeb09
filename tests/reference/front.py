"""The front of a growing population: Fisher's equation, solved by small explicit steps."""

import numpy as np


def fisher_positions(*, diffusivity, rate, start, times, voxel=20.0, length=4000.0, dt=0.05):
    """Where u = 1/2 at some times, for u_t = D u_xx + r u (1 - u) and u = 1 before `start`."""
    u = np.where(np.arange(length / voxel) < start / voxel, 1.0, 0.0)
    found = []
    for step in range(1, round(max(times) / dt) + 1):
        beside = np.pad(u, 1, mode="edge")
        spread = diffusivity * (beside[2:] - 2.0 * u + beside[:-2]) / voxel**2
        u = u + dt * (spread + rate * u * (1.0 - u))
        if any(abs(step * dt - time) < 0.5 * dt for time in times):
            found.append(halfway(u, voxel))
    return found


def halfway(u, voxel):
    """Where a falling profile on voxels last crosses 1/2, by linear interpolation."""
    last = np.flatnonzero(u >= 0.5)[-1]
    return (last + 0.5 + (u[last] - 0.5) / (u[last] - u[last + 1])) * voxel


def bramson_distance(*, diffusivity, rate, times):
    """Way of the front between two times: speed 2 sqrt(r D) - 1.5 sqrt(D / r) / t, integrated."""
    first, last = times
    speed, lag = 2.0 * (rate * diffusivity) ** 0.5, 1.5 * (diffusivity / rate) ** 0.5
    return speed * (last - first) - lag * np.log(last / first)
