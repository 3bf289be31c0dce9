"""The list of planted faults is in step with the source, and a fault is planted where it should be and taken out."""

import pytest

from tests.planted.faults import ROOT, Fault, faults, planted

FAULTS = faults()


def test_there_are_many_faults_and_each_is_named_once():
    assert len(FAULTS) >= 25
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_still_applies(fault):
    wrong = fault.applied((ROOT / fault.file).read_text())
    compile(wrong, fault.file, "exec")  # a mistake in meaning, not in syntax
    assert all((ROOT / test).is_file() for test in fault.tests)
    assert fault.tests


def test_a_fault_is_planted_and_taken_out(tmp_path):
    file = tmp_path / "one.py"
    file.write_text("a = 1\n")
    with planted(Fault("a fault", "one.py", "a = 1", "a = 2", ()), tmp_path):
        assert file.read_text() == "a = 2\n"
    assert file.read_text() == "a = 1\n"


def test_a_text_that_is_not_there_or_there_twice_is_refused():
    with pytest.raises(ValueError, match="must occur once, found 0 times; mend 'a fault'"):
        Fault("a fault", "one.py", "b", "c", ()).applied("a")
    with pytest.raises(ValueError, match="found 2 times"):
        Fault("a fault", "one.py", "a", "c", ()).applied("a a")
