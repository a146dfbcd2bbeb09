"""Start on a machine that has compiled nothing: it says so, side by side, and only once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tme_sim import warm_up

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.cold
MESSAGE = "compiling kernels, once on this machine"
COUNTED = """
import sys
from tme_sim.cli import main
from tme_sim.compute.compiling import listening
compiled = []
with listening(compiled.append, lambda kernel: None):
    code = main(sys.argv[1:])
print("compiled:", *compiled)
sys.exit(code)
"""


def start(cache, *arguments, code=COUNTED):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def quickstart(cache, run, *options, code=COUNTED):
    result = start(cache, "run", "scenarios/quickstart.yaml", "-o", str(run), *options, code=code)
    assert result.returncode == 0, result.stderr
    return result


def forget(cache, name):
    """Take a kernel out of numba's disk cache."""
    files = list(cache.rglob(f"*{name}*"))
    assert files
    for file in files:
        file.unlink()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A disk cache in which all parts were compiled, by a process each."""
    folder = tmp_path_factory.mktemp("numba")
    code = "import runpy; runpy.run_module('tme_sim.warm_up', run_name='__main__')"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    workers = [
        subprocess.Popen([sys.executable, "-c", code, part], env=environment, cwd=ROOT)
        for part in (*warm_up.PARTS, warm_up.LATER)
    ]
    assert [worker.wait() for worker in workers] == [0] * len(workers)
    return folder


def test_the_parts_leave_nothing_to_compile_for_a_run(cache, tmp_path):
    result = quickstart(cache, tmp_path / "a.h5", "--until", "1 d")

    assert result.stdout.splitlines()[-1].split() == ["compiled:"]
    assert MESSAGE not in result.stderr


def test_a_run_says_what_it_compiles_unless_it_is_to_be_quiet(cache, tmp_path):
    forget(cache, "sample_serial")
    loud = quickstart(cache, tmp_path / "a.h5", "--until", "12 min")
    forget(cache, "sample_serial")
    quiet = quickstart(cache, tmp_path / "b.h5", "--until", "12 min", "--quiet")

    assert "sample_serial (processes.sensing)" in loud.stdout
    assert f"{MESSAGE}: sample_serial (processes.sensing)" in loud.stderr
    assert "sample_serial (processes.sensing)" in quiet.stdout
    assert quiet.stderr == ""


WITHOUT_WORKERS = """
from tme_sim import warm_up
def broken(part, output=None):
    {}
warm_up._worker = broken
"""


@pytest.mark.parametrize(
    "fault",
    [
        "raise OSError('no more processes')",
        "import subprocess; return subprocess.Popen(['false'], stdout=subprocess.PIPE, text=True)",
    ],
)
def test_workers_that_fail_do_no_harm(cache, tmp_path, fault):
    forget(cache, "sample_serial")
    code = WITHOUT_WORKERS.format(fault) + COUNTED
    result = quickstart(cache, tmp_path / "a.h5", "--until", "12 min", code=code)

    assert "sample_serial (processes.sensing)" in result.stdout


def test_one_processor_starts_no_workers(cache, tmp_path):
    forget(cache, "sample_serial")
    one = "import os; os.sched_getaffinity = lambda pid: {0}"
    code = f"{one}{WITHOUT_WORKERS.format('raise SystemExit(7)')}{COUNTED}"
    result = quickstart(cache, tmp_path / "a.h5", "--until", "12 min", code=code)

    assert "sample_serial (processes.sensing)" in result.stdout
