"""``tme-sim info`` and ``report``: what a run file says and shows."""

from tme_sim import cli


def test_info_and_report_read_the_run_again(scenario, tmp_path, capsys):
    run = tmp_path / "a.h5"
    assert cli.main(["run", str(scenario), "-o", str(run), "--until", "1 h", "--quiet"]) == 0
    assert capsys.readouterr().out == ""

    assert cli.main(["info", str(run)]) == 0
    assert "digest" in capsys.readouterr().out
    assert cli.main(["report", str(run), "-o", str(tmp_path / "a.pdf")]) == 0
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_a_foreign_file_is_no_run(tmp_path, capsys):
    foreign = tmp_path / "a.h5"
    foreign.write_text("not a run")

    assert cli.main(["info", str(foreign)]) == 2
    assert "no run file" in capsys.readouterr().err
