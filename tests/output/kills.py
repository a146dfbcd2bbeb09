"""Kill runs of every shipped scenario, and a scan, at random moments; go on; compare the results.

Run in one thread, so that the process may be forked: python -m tests.output.kills LOG N
Appends a line per kill to LOG and ends when it has N of them; started again, it goes on.
"""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import yaml

import tme_sim
from tests.output.failing_commands import COMMANDS, clean, in_child, prepare
from tme_sim.output.run import open_run

ROOT = Path(__file__).parents[2]
TICKS = 12


def hastened(file):
    """A shipped scenario whose therapy begins at once, with frames and checkpoints often."""
    document = yaml.safe_load(file.read_text())
    tick = float(document["time"]["tick"].split()[0])
    for course in document.get("therapy", []):
        course["start"] = f"{tick} min"
    document["time"] |= {"frame_every": f"{2 * tick} min", "checkpoint_every": f"{3 * tick} min"}
    document["time"]["duration"] = f"{TICKS * tick} min"
    return document


def of_scenario(file):
    """How a scenario is run or gone on with in a folder, and what came of it."""
    scenario = tme_sim.load_scenario(hastened(file))

    def command(folder, *, again):
        out = folder / "out.h5"
        if again and out.exists():
            tme_sim.resume(out, threads=1)
        else:
            tme_sim.simulate(scenario, out, threads=1)
        return 0

    return command, lambda folder: open_run(folder / "out.h5").digest()


def killed(command, folder, after, *, again):
    """Whether a command was killed this long after its start; it may have ended before."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        code = 9
        try:
            code = command(folder, again=again)
        finally:
            os._exit(code)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"ended with {status}"
    return os.WIFSIGNALED(status)


def main(log, wanted):
    log = Path(log)
    done = len(log.read_text().splitlines()) if log.exists() else 0
    luck = random.Random(done)
    cases = {file.stem: of_scenario(file) for file in sorted((ROOT / "scenarios").glob("*.yaml"))}
    cases["scan"] = COMMANDS["scan"]
    with tempfile.TemporaryDirectory() as place:
        known = {}
        for name, (command, result) in cases.items():
            folder = Path(place) / name
            prepare(folder)
            command(folder, again=False)
            clean(folder)
            start = time.perf_counter()
            command(folder, again=False)
            known[name] = result(folder), time.perf_counter() - start
            clean(folder)
        while done < int(wanted):
            name = luck.choice(list(cases))
            command, result = cases[name]
            folder, (good, seconds) = Path(place) / name, known[name]
            kills = 0
            for k in range(luck.randint(1, 4)):
                if not killed(command, folder, luck.uniform(0.0, seconds), again=k > 0):
                    break
                kills += 1
            status, said = in_child(lambda c=command, f=folder: c(f, again=True))
            same = status == 0 and result(folder) == good
            with log.open("a") as file:
                file.writelines(
                    f"{name} {'same' if same else f'DIFFERENT {said}'}\n" for _ in range(kills)
                )
            done += kills
            clean(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
