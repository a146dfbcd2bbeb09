"""``tme-sim validate``: what a scenario implies."""

from tme_sim import cli


def test_validate_says_what_the_scenario_implies(scenario, capsys):
    assert cli.main(["validate", str(scenario)]) == 0

    text = capsys.readouterr().out
    for word in ("oxygen", "vemurafenib", "double in", "memory"):
        assert word in text
