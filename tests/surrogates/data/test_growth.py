"""Growth rates of melanoma lines from counts, and what a model says of the same doses."""

import numpy as np
import pytest

from surrogates.data import growth
from surrogates.teacher.model import Teacher


def store(home, slopes, newline="\n"):
    """Counts of A375 that grow with these doublings a day after a faster first day."""
    lines = ['"Date","cellLine","well","rel.time","cell.count","Drug","Conc","Units","UID","nl2"']
    for dose, slope in slopes.items():
        for hour in (0.0, 24.0, 48.0, 96.0):
            count = slope * hour / 24.0 + (0.3 if hour else 0.0)
            lines.append(f'"x","A375","B02",{hour},100,"PLX4720",{dose * 1e-6},"M","u",{count}')
    (home / growth.FOLDER).mkdir()
    (home / growth.FOLDER / growth.FILE).write_text(
        newline.join(lines) + newline, "utf-8", newline=""
    )


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
def test_the_rate_is_the_slope_after_the_first_day(tmp_path, newline):
    store(tmp_path, {8.0: 0.25, 0.5: 0.6}, newline)
    doses, rates = growth.rates(tmp_path, "A375")
    np.testing.assert_allclose(doses, [0.5, 8.0])
    np.testing.assert_allclose(rates, [0.6, 0.25], atol=1e-9)


def test_a_line_that_is_not_there_is_named(tmp_path):
    store(tmp_path, {8.0: 0.25})
    with pytest.raises(ValueError, match="SKMEL5"):
        growth.rates(tmp_path, "SKMEL5")


def test_the_teacher_grows_slower_at_every_higher_dose():
    rates = growth.predict(Teacher(), "A375", np.array([0.0, 0.125, 8.0, 32.0]))
    assert (np.diff(rates) < 0.0).all()
