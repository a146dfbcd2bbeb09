"""``tme-sim examples``: what ships."""

from tme_sim import cli


def test_examples_are_listed_and_copied(tmp_path, capsys):
    assert cli.main(["examples", "--copy", str(tmp_path / "mine")]) == 0
    assert "quickstart.yaml" in capsys.readouterr().out
    assert (tmp_path / "mine" / "quickstart.yaml").exists()


def test_a_copy_that_was_edited_stays(tmp_path, capsys):
    assert cli.main(["examples", "--copy", str(tmp_path)]) == 0
    assert cli.main(["examples", "--copy", str(tmp_path)]) == 0
    (tmp_path / "quickstart.yaml").write_text("mine")
    assert cli.main(["examples", "--copy", str(tmp_path)]) == 2
    assert "exists and is another text" in capsys.readouterr().err
    assert (tmp_path / "quickstart.yaml").read_text() == "mine"
