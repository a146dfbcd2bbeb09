"""``tme-sim examples``: what ships."""

from tme_sim import cli


def test_examples_are_listed_and_copied(tmp_path, capsys):
    assert cli.main(["examples", "--copy", str(tmp_path / "mine")]) == 0
    assert "quickstart.yaml" in capsys.readouterr().out
    assert (tmp_path / "mine" / "quickstart.yaml").exists()
