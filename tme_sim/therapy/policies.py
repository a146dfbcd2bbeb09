"""Decide the share of a dose from what a clinic saw: functions of visits, and nothing else.

A policy is a function ``policy(visits, share) -> share``. It gets every visit whose result is in,
the oldest first, and the share of the dose that was given so far (1 at the start); it returns the
share to give until the next result: 0 stops the drug, 1 is the whole dose. A visit is what was
measured, noise included, never the state of the tissue. Because nothing else goes in, a run that
was interrupted or branched repeats the decisions of an undisturbed one.

A user's own policy, in ``rules.py`` beside the scenario, named by ``policy: rules.py:careful``:

    def careful(visits, share):
        '''Half a dose once the tumor has shrunk by a third; nothing while the skin suffers.'''
        first, last = visits[0], visits[-1]
        if last.healthy < 0.7 * first.healthy:
            return 0.0
        return 0.5 if last.burden < 0.67 * first.burden else 1.0
"""

import functools
import hashlib
import importlib
import importlib.util
import math
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tme_sim.errors import InputError
from tme_sim.scenario.errors import nearest
from tme_sim.scenario.schedules import RESUME_AT, STOP_BELOW, Adaptive, Toxicity


class Visit(NamedTuple):
    """What was measured at a visit.

    Attributes:
        time: Of the measurement [min].
        burden: Living tumor cells, as measured.
        healthy: Living epithelial cells, as measured; 0 where the tissue has none.
    """

    time: float
    burden: float
    healthy: float


Policy = Callable[[Sequence[Visit], float], float]


class AdaptiveSchedule:
    """Drug off when the burden is low, on again when it is back (Zhang 2017).

    Starts on; off when burden < stop_below x baseline; on when burden >= resume_at x baseline;
    else as before. Reference: Zhang 2017, doi:10.1038/s41467-017-01968-5.

    Example:
        >>> schedule = AdaptiveSchedule(stop_below=0.5, resume_at=1.0)
        >>> [schedule.decide(burden, 100) for burden in (100, 49, 80, 100)]
        [True, False, False, True]
    """

    def __init__(self, stop_below: float = STOP_BELOW, resume_at: float = RESUME_AT) -> None:
        if not 0 < stop_below < resume_at:
            msg = f"stop_below ({stop_below}) must be above 0 and below resume_at ({resume_at})"
            raise ValueError(msg)
        self.stop_below = stop_below
        self.resume_at = resume_at
        self.on = True

    def decide(self, burden: float, baseline: float) -> bool:
        """Whether the drug is on after a look at the burden."""
        if burden < self.stop_below * baseline:
            self.on = False
        elif burden >= self.resume_at * baseline:
            self.on = True
        return self.on


class UsersPolicy:
    """A policy that a user wrote, named as for ``load_policy``; imported when it is first needed.

    So a state of a run can be looked at without the code that decided in it.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @functools.cached_property
    def function(self) -> Policy:
        """The function.

        Raises:
            ValueError: It cannot be found.
        """
        return load_policy(self.path)

    def __call__(self, visits: Sequence[Visit], share: float) -> float:
        """The share to give from now on."""
        return self.function(visits, share)


def adaptive_policy(rule: Adaptive) -> Policy:
    """The policy that an ``adaptive`` of a scenario stands for."""
    if rule.policy is not None:
        return UsersPolicy(rule.policy)
    if rule.modulate_by is not None:
        return modulation(rule.modulate_by, rule.tolerance or 0.0)
    return switching(rule.stop_below or STOP_BELOW, rule.resume_at or RESUME_AT)


def switching(stop_below: float, resume_at: float) -> Policy:
    """``AdaptiveSchedule`` as a policy: the baseline is the first visit."""

    def decide(visits: Sequence[Visit], share: float) -> float:
        schedule = AdaptiveSchedule(stop_below, resume_at)
        schedule.on = share > 0.0
        return float(schedule.decide(visits[-1].burden, visits[0].burden))

    return decide


def modulation(step: float, tolerance: float) -> Policy:
    """More drug where the burden rose since the last visit, less where it fell.

    With N the burden at this visit and N' at the one before, the share d becomes

        min(1, d (1 + step))    where N > N' (1 + tolerance)
        d (1 - step)            where N < N' (1 - tolerance)

    After the dose modulation of Gallaher 2018, doi:10.1158/0008-5472.CAN-17-2649.
    """

    def decide(visits: Sequence[Visit], share: float) -> float:
        if len(visits) == 1:
            return share
        before, now = visits[-2].burden, visits[-1].burden
        if now > before * (1.0 + tolerance):
            return min(1.0, share * (1.0 + step))
        return share * (1.0 - step) if now < before * (1.0 - tolerance) else share

    return decide


def interruption(rule: Toxicity) -> Policy:
    """Nothing while too little healthy epithelium is left, the whole dose once it is back."""
    resume_at = rule.hold_below if rule.resume_at is None else rule.resume_at

    def decide(visits: Sequence[Visit], share: float) -> float:
        first, last = visits[0].healthy, visits[-1].healthy
        if last < rule.hold_below * first:
            return 0.0
        return 1.0 if last >= resume_at * first else share

    return decide


def load_policy(path: str) -> Policy:
    """A user's policy, ``file.py:name`` or ``package.module:name``.

    Raises:
        ValueError: There is no such file, module or function; the message says which.
    """
    place, _, name = path.rpartition(":")
    try:
        module = _load_file(place) if place.endswith(".py") else importlib.import_module(place)
    except (Exception, SystemExit) as err:  # whatever the user's code raises
        msg = f"{place!r} cannot be imported ({type(err).__name__}: {err})"
        raise ValueError(msg) from err
    function = vars(module).get(name)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value)]
        msg = f"{place!r} has no function {name!r}; {nearest(name, known)}"
        raise ValueError(msg)
    policy: Policy = function
    return policy


def fingerprint(path: str) -> str:
    """SHA-256 of ``source``."""
    return hashlib.sha256(source(path)).hexdigest()


def source(path: str) -> bytes:
    """The file that defines a user's policy, named as for ``load_policy``; empty without one.

    Raises:
        InputError: It cannot be read.
    """
    place = path.rpartition(":")[0]
    try:
        if place.endswith(".py"):
            return Path(place).read_bytes()
        spec = importlib.util.find_spec(place)
        return Path(spec.origin).read_bytes() if spec and spec.origin else b""
    except (OSError, ImportError, ValueError) as err:
        msg = f"the policy {path} cannot be read: {err}"
        raise InputError(msg) from err


def checked_share(policy: Policy, visits: Sequence[Visit], share: float) -> float:
    """What a policy answers, refused where it is no share.

    Raises:
        InputError: Not a finite number from 0 on, or the policy itself failed.
    """
    try:
        answer = policy(visits, share)
    except (Exception, SystemExit) as err:  # whatever the user's code raises
        place = traceback.extract_tb(err.__traceback__)[-1]
        msg = f"{place.filename}:{place.lineno}: the policy failed: {type(err).__name__}: {err}"
        raise InputError(msg) from err
    try:
        number = float(answer)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0.0 <= number < math.inf:
        msg = f"the policy answered {answer!r}, but a share of the dose from 0 on is needed"
        raise InputError(msg)
    return number


def _load_file(place: str) -> object:
    if not Path(place).is_file():
        msg = "no such file"
        raise FileNotFoundError(msg)
    spec = importlib.util.spec_from_file_location(f"tme_sim_policy_{Path(place).stem}", place)
    if spec is None or spec.loader is None:
        msg = "not a Python file"
        raise ImportError(msg)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
