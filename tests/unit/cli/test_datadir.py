"""The claim on a data directory."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from congressd.cli.datadir import StartError, announce, claim


def test_a_missing_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    os.close(claim(tmp_path / "a" / "b"))
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_directory_in_use_names_the_process_that_uses_it(tmp_path: Path) -> None:
    held = claim(tmp_path)
    with pytest.raises(StartError, match=rf"in use by another congressd \(process {os.getpid()}\)"):
        claim(tmp_path, wait=0.0)
    os.close(held)
    os.close(claim(tmp_path, wait=0.0))


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from congressd.cli.datadir import claim; claim(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])
    os.close(claim(tmp_path, wait=0.0))


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="--data-dir"):
        claim(tmp_path / "file")
    with pytest.raises(StartError, match="--data-dir"):
        claim(tmp_path / "file" / "below")


def test_a_claim_tells_the_process_and_the_address(tmp_path: Path) -> None:
    held = claim(tmp_path)
    announce(held, "127.0.0.1", 18990)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n127.0.0.1\n18990\n"
    with pytest.raises(StartError, match=rf"\(process {os.getpid()}\)"):
        claim(tmp_path, wait=0.0)
    os.close(held)
