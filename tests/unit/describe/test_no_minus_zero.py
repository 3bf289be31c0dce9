"""A language of one string has entropy 0, and never -0."""

import json
import re
from pathlib import Path

import pytest

from sim.describe.command import main

ONE = {
    "strings.yaml": "type: strings\nstrings: {a: 1}\n",
    "pcfg.yaml": "type: pcfg\nstart: S\nrules:\n  - {lhs: S, rhs: [a], p: 1}\n",
    "markov.yaml": "type: markov\nalphabet: [a]\neos: <eos>\ninitial: {a: 1}\ntransitions: {a: {<eos>: 1}}\n",
}


@pytest.mark.parametrize("name", ONE)
def test_zero_has_no_sign(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / name
    file.write_text(ONE[name], encoding="utf-8")
    assert main([str(file), "--string", "a", "--positions", "2"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"H\(P\), of strings +0 nats", text)
    assert not re.search(r"[-−]0(?![.\d])", text)
    assert main([str(file), "--json"]) == 0
    assert "-0.0" not in json.dumps(json.loads(capsys.readouterr().out))
