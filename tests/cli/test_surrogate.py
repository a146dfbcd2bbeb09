"""``tme-sim surrogate``: what is asked of cell models at the command line."""

from tme_sim import cli


def test_evaluate_on_a_folder_that_is_not_there_says_what_it_expects(tmp_path, capsys):
    assert cli.main(["surrogate", "evaluate", "tme-cell", "--data", str(tmp_path / "no")]) == 2
    message = capsys.readouterr().err
    assert "is not a folder" in message
    assert "breast_cytof" in message


def test_an_unknown_cell_model_is_refused_with_those_there_are(capsys):
    assert cli.main(["surrogate", "show", "tme-cel"]) == 2
    message = capsys.readouterr().err
    assert "tme-cel" in message
    assert "teacher" in message


def test_cell_models_that_are_installed_are_listed(capsys):
    assert cli.main(["surrogate", "list"]) == 0
    assert {"tme-cell", "teacher", "constant"} <= set(capsys.readouterr().out.split())
