"""A bad input gets one message: file and line, what was found, what is allowed."""

import json
from pathlib import Path

import pytest

from tme_sim.errors import InputError
from tme_sim.scenario import ScenarioError, load_scenario, place_all

GOOD = """\
format: 1
seed: 1
time: {duration: 4 d, tick: 6 min}
domain: {size: [600 um, 600 um], voxel: 20 um}
substrates:
  oxygen: {boundary: {all: 38 mmHg}}
cells:
  tumor:
    type: tumor
    genotype: [BRAF_V600E]
    count: 100
    placement: {disk: {radius: 200 um}}
  biopsy: {type: tumor, placement: {file: cells.csv}}
therapy:
  - {drug: vemurafenib, dose: 960 mg, every: 12 h, start: 1 d, until: 3 d}
  - {drug: trametinib, dose: 2 mg, every: 24 h}
evolution: {NRAS_Q61: {rate: 1e-7 per division}}
surrogate: {name: tme-cell, out_of_domain: warn}
processes: {mechanics: on}
output: {fields: [oxygen], columns: standard}
"""
TABLE = "x,y,volume\n100,100,2494\n140.5,1e2,3000\n"

CASES = [  # what is changed, into what, line, words of the message
    ("cells:\n", "cell_types: {tumor: {affinity: {fibro: 1}}}\ncells:\n", 7, "unknown cell type"),
    ("cells:\n", "cell_types: {tumor: {affinity: {tumor: 11}}}\ncells:\n", 7, "at most 10"),
    ("cells:\n", "cell_types: {tumor: {affinity: {tumor: -1}}}\ncells:\n", 7, "at least 0"),
    ("cells:\n", "cell_types: {tumor: {adhesion_range: 4}}\ncells:\n", 7, "at most 3 is allowed"),
    (
        "cells:\n",
        "cell_types: {tumor: {affinity: {cd8_t: 1}}, cd8_t: {affinity: {tumor: 2}}}\ncells:\n",
        7,
        "found 1, but cd8_t says 2 of its affinity to tumor",
    ),
    ("substrates:", "substrats:", 5, "unknown key; did you mean 'substrates'?"),
    ("count: 100", "cuont: 100", 11, "cells.tumor.cuont: unknown key; did you mean 'count'?"),
    ("38 mmHg", "38", 6, "38 has no unit; a value in units of mmHg is needed"),
    ("38 mmHg", "38 um", 6, "has dimension [length]"),
    ("38 mmHg", "38 mmHgg", 6, "unknown unit 'mmHgg'; did you mean 'mmHg'?"),
    ("38 mmHg", "-1 mmHg", 6, "at least 0"),
    ("38 mmHg", "1e25 mmHg", 6, "found '1e25 mmHg', but 1e-12 to 100000 mmHg is possible"),
    ("oxygen: {", "oxygen: {half_saturation: 0 mmHg, ", 6, "more than 0"),
    ("4 d", "1e9 d", 3, "0.001 to 1e+07 min is possible"),
    ("4 d, tick: 6 min", "1e7 min, tick: 0.1 min", 3, "1e+08 ticks of 0.1 min are more than"),
    ("voxel: 20 um", "voxel: 1e-6 um", 4, "um is possible"),
    ("voxel: 20 um", "voxel: 0.1 um", 4, "at least 0.5"),
    ("600 um, 600 um", "2e307 um, 2e307 um", 4, "um is possible"),
    (
        "count: 100",
        "represents: 1e14 cells\n    count: 100",
        11,
        "1e+07 standing clones of NRAS_Q61",
    ),
    (
        "count: 100",
        "supply: 1e5 per min\n    count: 100",
        11,
        "6e+05 cells a tick; at most 100,000",
    ),
    ("every: 24 h", "every: 0.01 min", 16, "5.76e+05 doses; at most 100,000 are possible"),
    (
        "until: 3 d}",
        "adaptive: {visit_every: 1e-9 min}}",
        15,
        "found '1e-9 min', but 0.001 to 1e+07 min is possible",
    ),
    ("until: 3 d}", "adaptive: {visit_every: 0.01 min}}", 15, "visits; at most 100,000"),
    ("until: 3 d}", "adaptive: {visit_every: 1 d, noise: 1.7e308}}", 15, "is possible"),
    ("38 mmHg", "noflux", 6, "did you mean 'no_flux'?"),
    ("all: 38 mmHg", "bath: 38 mmHg, rate: 1e-3 per um", 6, "belong to a face of `exchange`"),
    ("all:", "al:", 6, "unknown face; did you mean 'all'?"),
    ("4 d", "4", 3, "4 has no unit; a value in units of min is needed"),
    ("6 min", "7 min", 3, "no whole number of ticks"),
    ("duration: 4 d, ", "", 3, "the key 'duration' is missing"),
    ("600 um, 600", "610 um, 600", 4, "no whole number of voxels"),
    ("[600 um, 600 um]", "600 um", 4, "two or three lengths"),
    ("600 um, 600 um]", "600 um, 600 um, 20 um]", 4, "give the lengths in x and y only"),
    ("count: 100", "count: -100", 11, "found -100"),
    ("count: 100", "count: 99.5", 11, "found 99.5"),
    ("type: tumor\n", "type: tumour\n", 9, "did you mean 'tumor'?"),
    ("[BRAF_V600E]", "[BRAF_V600]", 10, "did you mean 'BRAF_V600E'?"),
    ("[BRAF_V600E]", "BRAF_V600E", 10, "a list is needed"),
    ("disk: {radius: 200", "disk: {radius: 301", 12, "out of the domain of 600 x 600 um"),
    ("disk", "ball", 12, "use `disk`"),
    ("{disk: {radius: 200 um}}", "[1, 2]", 12, "one kind of disk"),
    ("vemurafenib", "vemurafinib", 15, "unknown drug 'vemurafinib'; did you mean 'vemurafenib'?"),
    ("960 mg", "960 mL", 15, "[mass] is needed"),
    ("960 mg", "-960 mg", 15, "more than 0"),
    ("until: 3 d", "until: 1 h", 15, "before or when it starts"),
    ("trametinib", "vemurafenib", 16, "although another entry"),
    ("until: 3 d}", "until: 3 d, route: iv, infusion: 13 h}", 15, "takes 780 min"),
    ("until: 3 d}", "until: 3 d, infusion: 1 h}", 15, "an infusion needs `route: iv`"),
    ("{drug: vemurafenib,", "{drug: doxorubicin, route: oral,", 15, "by mouth"),
    ("until: 3 d}", "until: 3 d, missed: 2}", 15, "a probability is at most 1"),
    ("until: 3 d}", "until: 3 d, mised: 0.1}", 15, "did you mean 'missed'?"),
    ("every: 12 h, start: 1 d, until: 3 d", "loading: 1 g", 15, "`loading` needs `every`"),
    ("until: 3 d}", "cycle: {treat: 1 h, rest: 7 d}}", 15, "shorter than the time between"),
    ("until: 3 d}", "cycle: {treat: 1 d, rset: 7 d}}", 15, "did you mean 'rest'?"),
    (
        "until: 3 d}",
        "escalate: {by: 1 mg, every: 7 d, up_to: 10 mg}}",
        15,
        "less than the first dose of 960 mg",
    ),
    ("until: 3 d}", "escalate: {by: -1 mg, every: 7 d, up_to: 2 g}}", 15, "more than 0"),
    (
        "until: 3 d}",
        "adaptive: {visit_every: 1 d, stop_below: 0.5, modulate_by: 0.2}}",
        15,
        "one rule decides",
    ),
    ("until: 3 d}", "adaptive: {stop_below: 2, visit_every: 1 d}}", 15, "above stop_below"),
    ("until: 3 d}", "adaptive: {policy: rules, visit_every: 1 d}}", 15, "file.py:function"),
    ("until: 3 d}", "adaptive: {visit_evry: 1 d}}", 15, "did you mean 'visit_every'?"),
    ("until: 3 d}", "adaptive: {noise: 0.1}}", 15, "'visit_every' is missing"),
    (
        "until: 3 d}",
        "toxicity: {hold_below: 0.7, visit_every: 1 d}}",
        15,
        "no group of `cells` is of that type",
    ),
    ("until: 3 d}", "toxicity: {hold_below: 2, visit_every: 1 d}}", 15, "at most 1"),
    ("NRAS_Q61", "NRAS_Q16", 17, "did you mean 'NRAS_Q61'?"),
    ("1e-7 per division", "1e-7 per hour", 17, "[division]"),
    ("{rate: 1e-7 per division}", "1e-7", 17, "rate: 1e-7 per division"),
    ("warn", "worn", 18, "'warn', 'clamp', 'teacher' or 'stop'"),
    ("mechanics", "mechanic", 19, "did you mean 'mechanics'?"),
    ("[oxygen]", "[oxigen]", 20, "did you mean 'oxygen'?"),
    ("standard", "[volum]", 20, "did you mean 'volume'?"),
    ("seed: 1", "seed: one", 2, "found 'one'"),
    ("seed: 1", "seed: 1\nseed: 2", 3, "a second time (first in line 2)"),
    ("seed: 1", "seed: !!python/name:os.system 1", 2, "tags"),
    ("seed: 1", "seed: &a 1", 2, "anchor"),
    ("seed: 1", "seed: [1", 3, "not valid YAML"),
    ("  biopsy:", "  dead:", 13, "cannot be called 'dead': the metrics count that"),
    ("  biopsy:", "  clones:", 13, "cannot be called 'clones'"),
    ("  biopsy:", "  out_of_domain:", 13, "cannot be called 'out_of_domain'"),
    ("cells.csv", "cell.csv", 13, "cannot be read: No such file"),
    ("format: 1", "format: 2", 1, "found 2"),
]


@pytest.fixture
def write(tmp_path):
    def write(text, name="bad.yaml"):
        (tmp_path / "cells.csv").write_text(TABLE)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_the_scenario_that_the_cases_break_is_good(write):
    scenario = load_scenario(write(GOOD))
    placed = place_all(scenario)
    assert {name: len(cells) for name, cells in placed.items()} == {"tumor": 100, "biopsy": 2}
    assert placed["biopsy"].position.tolist() == [[100, 100, 10], [140.5, 100, 10]]
    assert placed["biopsy"].columns["volume"].tolist() == [2494, 3000]


@pytest.mark.parametrize(("old", "new", "line", "words"), CASES, ids=lambda x: str(x)[:24])
def test_what_is_wrong_is_named_with_file_and_line(write, old, new, line, words):
    assert old in GOOD
    file = write(GOOD.replace(old, new, 1))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\xff", "cannot be read as UTF-8 text"),
        (b"", "found nothing, but a scenario is a mapping"),
        (b"just words", "found 'just words', but a scenario is a mapping"),
        (b"- a\n- b\n", "but a scenario is a mapping"),
        (b"{{{", "not valid YAML"),
        (b"\x00\x01", "not valid YAML"),
        (b"[" * 2000, "not valid YAML"),
    ],
    ids=["png", "empty", "words", "list", "braces", "control", "deep"],
)
def test_a_file_that_is_no_scenario_is_refused(tmp_path, content, words):
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert str(caught.value).startswith(str(file))
    assert words in str(caught.value)


def test_a_directory_or_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match="is a directory"):
        load_scenario(tmp_path)
    with pytest.raises(ScenarioError, match="no such file"):
        load_scenario(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("therapy.0.dose", "480 mgg", "did you mean 'mg'?"),
        ("therapy.7.dose", "480 mg", "an index from 0 to 1 is needed"),
        ("cells.tumr.count", "5", "did you mean 'tumor'?"),
        ("sead", "5", "did you mean 'seed'?"),
        ("time.durations", "5 d", "did you mean 'duration'?"),
        ("seed.deeper", "5", "nothing lies below it"),
        ("therapy.0.dose", "[", "not valid YAML"),
    ],
)
def test_a_bad_override_is_named_as_it_was_given(write, path, value, words):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(GOOD), {path: value})
    assert str(caught.value).startswith(f"--set {path}")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("table", "line", "words"),
    [
        ("x,y\n", None, "at least one cell"),
        ("x,volume\n1,2\n", 1, "the column 'y' is missing"),
        ("x,y,volum\n1,2,3\n", 1, "did you mean 'volume'?"),
        ("x,y,y\n1,2,3\n", 1, "stands twice"),
        ("x,y\n1,2\n3,four\n", 3, "y: found 'four'"),
        ("x,y\n1,2\n3,nan\n", 3, "finite"),
        ("x,y\n1,2\n3,4,5\n", 3, "found 3 values, but there are 2 columns"),
        ("x,y\n1,2\n\n3,601\n", 4, "outside the domain"),
    ],
)
def test_a_bad_table_of_cells_is_named_with_its_line(write, tmp_path, table, line, words):
    file = write(GOOD)
    (tmp_path / "cells.csv").write_text(table)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    place = str((tmp_path / "cells.csv").resolve())
    assert str(caught.value).startswith(f"{place}:{line}: " if line else place)
    assert words in str(caught.value)


def test_a_bad_catalogue_is_named_with_its_own_line(write, tmp_path):
    (tmp_path / "drugs.yaml").write_text("mine:\n  preset: vemurafenib\n  clearance: {valu: 1}\n")
    with pytest.raises(ScenarioError, match=r"drugs\.mine\.clearance"):
        load_scenario(write(GOOD + "catalogue: {drugs: drugs.yaml}\ndrugs: {mine: {}}\n"))
    (tmp_path / "drugs.yaml").write_text("mine:\n  preset: vemurafinib\n")
    with pytest.raises(ScenarioError, match=r"drugs.yaml:1: mine: preset 'vemurafinib' is no"):
        load_scenario(write(GOOD + "catalogue: {drugs: drugs.yaml}\ndrugs: {mine: {}}\n"))
    with pytest.raises(ScenarioError, match=r"bad.yaml:21: catalogue.drugs: no such file"):
        load_scenario(write(GOOD + "catalogue: {drugs: none.yaml}\n"))


def test_a_wrong_value_in_a_catalogue_names_the_catalogue(write, tmp_path):
    (tmp_path / "drugs.yaml").write_text("mine:\n  preset: vemurafenib\n  clearance: 1 L\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(GOOD + "catalogue: {drugs: drugs.yaml}\ndrugs: {mine: {}}\n"))
    assert "drugs.mine.clearance" in str(caught.value)
    assert f"{Path('drugs.yaml')}:3" in str(caught.value)


def test_cells_that_do_not_fit_are_counted(write):
    scenario = load_scenario(write(GOOD), {"cells.tumor.count": 1000})
    with pytest.raises(ScenarioError, match=r"bad.yaml:8: cells.tumor: 1000 cells do not fit .* 5"):
        place_all(scenario)


def test_a_text_without_end_is_refused_at_once(tmp_path):
    with pytest.raises(ScenarioError, match="has more than 10000000 bytes"):
        load_scenario(Path("/dev/zero"))
    (tmp_path / "deep.yaml").write_text("format: 1\nx: " + "[" * 100_000)
    with pytest.raises(ScenarioError, match=r"deep\.yaml:2: not valid YAML: lists and mapp"):
        load_scenario(tmp_path / "deep.yaml")


@pytest.mark.parametrize("preset", [["HGF"], {"HGF": 1}, 5])
@pytest.mark.parametrize("section", ["substrates", "cell_types", "drugs"])
def test_a_preset_is_a_name(section, preset):
    with pytest.raises(ScenarioError, match=rf"{section}.HGF.preset: found .*the name of a preset"):
        load_scenario({"name": "a", section: {"HGF": {"preset": preset}}})


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\U0001f600\udfff"])
def test_text_that_no_file_can_hold_is_refused_at_its_place(text, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("name: a\ndrugs:\n  x: {because: " + json.dumps(text) + "}\n")
    told = "drugs.x.because: found the character"
    if text.isascii() or len(text) == 1:  # half a pair after a whole one is no YAML
        with pytest.raises(ScenarioError, match=f"a.yaml:3: {told}"):
            load_scenario(path)
    with pytest.raises(ScenarioError, match=f"scenario:.* {told}"):
        load_scenario({"name": "a", "drugs": {"x": {"because": text}}})


BOX = {"size": ["1 mm", "1 mm"]}


@pytest.mark.parametrize("value", [["x"] * 3000, "x" * 100_000, {"x" * 50_000: 1}])
def test_a_value_of_thousands_is_not_printed_whole(value):
    for section in ("cells", "domain", "surrogate", "therapy"):
        with pytest.raises(ScenarioError) as error:
            load_scenario({"name": "a", "time": {"duration": "1 d"}, "domain": BOX, section: value})
        assert len(str(error.value)) < 800
        assert str(error.value).startswith(f"scenario: {section}")


def test_what_cannot_be_printed_is_escaped():
    assert str(InputError("a\x1b[31mb\ud800\u202ec\n d")) == "a\\x1b[31mb\\ud800\\u202ec\n d"
