"""Where the runs of a study are computed: a Dask client of some workers."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from tme_sim.scan.study import Study

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    # looks at a task's stack a hundred times a second, at the task's cost
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}


@contextlib.contextmanager
def connect(study: Study, *, workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """A Dask client: of a scheduler, of the file's cluster, or of workers on this machine."""
    import dask  # an extra
    from dask.distributed import Client  # an extra

    os.environ.update(ENVIRONMENT)  # before workers import numba
    dask.config.set({"distributed.worker.profile.enabled": False})  # workers here get this one
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    with _own(study, workers or n_cores()) as owned, Client(owned) as client:
        yield client


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _own(study: Study, workers: int) -> Any:
    if "slurm" in study.cluster:
        from dask_jobqueue import SLURMCluster  # an extra, only for SLURM

        usual = {"cores": 1, "processes": 1, "log_directory": str(study.folder() / "jobs")}
        owned = SLURMCluster(**{**usual, **study.cluster["slurm"]})
        owned.scale(workers)
        return owned
    from dask.distributed import LocalCluster  # an extra

    # no memory limit: a run's memory is checked when its scenario is
    return LocalCluster(
        n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=None
    )
