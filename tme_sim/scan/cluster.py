"""Where the runs of a study are computed: a Dask client of some workers.

Who may speak to a scheduler may run code as its user. The ones that are started here ask for a
certificate that exists in the memory of this study only, and serve no page.
"""

import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from typing import Any

from tme_sim.errors import InputError
from tme_sim.scan.study import Study

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    # looks at a task's stack a hundred times a second, at the task's cost
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",  # logs, tasks and counts, for anybody
}
SETTINGS = {  # of this process
    "distributed.worker.profile.enabled": False,
    "distributed.worker.http.routes": [],
    "distributed.scheduler.http.routes": [],
}


@contextlib.contextmanager
def connect(study: Study, *, workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """A Dask client: of a scheduler, of the file's cluster, or of workers on this machine.

    Raises:
        InputError: this machine has no shared memory, or no ``sbatch`` where SLURM is asked for.
    """
    import dask  # an extra
    from dask.distributed import Client  # an extra

    check(study, scheduler=scheduler)
    with dask.config.set(SETTINGS):
        if scheduler is not None:
            with Client(scheduler) as client:
                yield client
            return
        with contextlib.ExitStack() as opened:
            with _undisturbed():
                owned = opened.enter_context(_own(study, workers or n_cores()))
                client = opened.enter_context(Client(owned))
            yield client


def check(study: Study, *, scheduler: str | None) -> None:
    """Refuse a place where no worker would start; nothing is started.

    Raises:
        InputError: as of ``connect``.
    """
    if scheduler is not None:
        return
    if "slurm" in study.cluster:
        if shutil.which("sbatch") is None:
            msg = "SLURM's `sbatch` is not on this machine; start from a login node of the cluster"
            raise study.document.error(("cluster", "slurm"), msg)
        return
    try:
        multiprocessing.get_context("spawn").Lock()
    except OSError as err:
        msg = f"workers need shared memory (/dev/shm), which cannot be used here: {err.strerror}"
        raise InputError(msg) from err


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _own(study: Study, workers: int) -> Any:
    from dask.distributed import LocalCluster, Security  # an extra

    security = Security.temporary()
    if "slurm" in study.cluster:
        from dask_jobqueue import SLURMCluster  # an extra, only for SLURM

        jobs = study.folder() / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        usual = {
            "cores": 1,
            "processes": 1,
            "log_directory": str(jobs),
            "security": security,
            "shared_temp_directory": str(jobs.resolve()),
            "scheduler_options": {"dashboard": False},
            "job_script_prologue": [f"export {key}={value}" for key, value in ENVIRONMENT.items()],
        }
        owned = SLURMCluster(**{**usual, **study.cluster["slurm"]})
        owned.scale(workers)
        return owned
    # no memory limit: a run's memory is checked when its scenario is
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=0,
        env=ENVIRONMENT,  # of the workers, not of this process, which may have its threads already
        security=security,
        silence_logs=logging.CRITICAL,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # else 8787, with nothing on it
    )


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put signals off, since half a cluster cannot be ended.

    Processes that are started meanwhile ignore Ctrl-C for good: this one ends them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, _frame: caught.append(number))
        for number in (signal.SIGTERM, signal.SIGHUP)
    }
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in caught:
        signal.raise_signal(number)
