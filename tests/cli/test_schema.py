"""``tme-sim schema``: the JSON Schema."""

import json

from tme_sim import cli


def test_schema_is_json_schema(capsys):
    assert cli.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["cells"]
