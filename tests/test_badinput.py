"""Does broken input get one clear line, exit code 2, no traceback and no partial output?"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from spectrakit.models import load_network
from spectrakit.runs import KeptParts
from tests.badinput.make import CASES, PARTS, WEIGHTS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_broken_input_gets_the_answer_that_was_written_down(run, tmp_path, case):
    path = tmp_path / "given" / case.name
    path.parent.mkdir()
    case.content(path) if callable(case.content) else path.write_bytes(case.content)
    command = case.command.format(path="given/" + case.name, folder=tmp_path)
    code, out, err = run(*command.split())
    lines = [line for line in [*out, *err] if line.startswith(("error: ", "warning: ", "note: ", "spectrakit: "))]
    assert code == case.code, (out, err)
    assert len(err) <= 1 and "Traceback" not in "".join([*out, *err])
    assert not case.words or any(re.search(case.words, line) for line in lines), (out, err)
    left = {path.name for path in tmp_path.iterdir()} - {"given", ".spectrakit"}
    assert not left and [path.name for path in (tmp_path / "given").iterdir()] == [case.name]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read as Linux gives it")
@pytest.mark.parametrize("name", ["bomb.csv.gz", "million_channels.csv"])
def test_a_table_that_is_no_table_takes_little_memory(tmp_path, name):
    case = next(case for case in CASES if case.name == name)
    case.content(tmp_path / name)
    script = (
        "import sys\nfrom spectrakit.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n"
        "    print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    )
    arguments = ["check", str(tmp_path / name), "--axis", "nm", "--signal", "reflectance"]
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert int(run.stdout.split()[-1]) < 1e6, run.stdout  # KB


def test_the_corpus_is_large_enough():
    assert len(CASES) + len(WEIGHTS) + len(PARTS) >= 60 and len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_none_are_refused_in_one_line(tmp_path, name):
    content, words = WEIGHTS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        load_network(tmp_path / name)
    assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("name", PARTS)
def test_a_kept_part_that_is_none_is_computed_again(tmp_path, name):
    kept = KeptParts(tmp_path, "key")
    kept.path("part").write_bytes(PARTS[name])
    assert kept.load("part") is None
