"""``tme-sim branch``: another future of a run."""

from tme_sim import cli


def test_branch_writes_a_run_of_its_own(scenario, tmp_path, capsys):
    run = tmp_path / "a.h5"
    cli.main(["run", str(scenario), "-o", str(run), "--until", "6 h", "--quiet"])

    code = cli.main(["branch", str(run), "--at", "3 h", "--set", "therapy.0.dose=10 mg"])

    assert code == 0
    assert "burden" in capsys.readouterr().out
