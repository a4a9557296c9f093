"""The wheel holds all that a learner needs: built, installed and run outside of the checkout."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = [pytest.mark.long, pytest.mark.once]

CHECKOUT = Path(__file__).parent.parent
# What the script `npc-lab` does, whatever the system calls it and wherever it puts it.
COMMAND = "from importlib.metadata import entry_points as e; e(name='npc-lab')['npc-lab'].load()()"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


class Installed(NamedTuple):
    """The folder into which the wheel was installed, and one elsewhere to work in."""

    packages: Path
    elsewhere: Path

    def run(self, *command: str) -> str:
        """The output of a command that sees this installation before any other."""
        environment = os.environ | {"PYTHONPATH": str(self.packages), "PYTHONSAFEPATH": "1"}
        result = subprocess.run(
            command,
            cwd=self.elsewhere,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def npc_lab(self, *arguments: str) -> str:
        return self.run(sys.executable, "-c", COMMAND, *arguments)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built without isolation and installed without dependencies, because tests have no network."""
    folder = tmp_path_factory.mktemp("wheel")
    here = Installed(folder / "packages", folder / "elsewhere")
    here.elsewhere.mkdir()
    offline = ["--no-deps", "--no-index"]
    here.run(*PIP, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(CHECKOUT))
    (wheel,) = folder.glob("*.whl")
    here.run(*PIP, "install", *offline, "--target", str(here.packages), str(wheel))
    return here


def test_it_is_the_installed_package_that_runs(installed: Installed) -> None:
    where = installed.run(sys.executable, "-c", "import npc_lab; print(npc_lab.__file__)")
    assert Path(where.strip()).is_relative_to(installed.packages)


def test_the_course_comes_along(installed: Installed) -> None:
    installed.npc_lab("start", "my course", "--no-open")
    copied = {path.name: path.read_bytes() for path in (installed.elsewhere / "my course").glob("*.ipynb")}
    assert copied == {path.name: path.read_bytes() for path in (CHECKOUT / "notebooks").glob("*.ipynb")}
    assert "00_setup.ipynb" in copied


def test_solutions_come_along_and_stay_where_they_are(installed: Installed) -> None:
    shipped = installed.packages / "npc_lab" / "_notebooks" / "solutions"
    names = {path.name for path in (CHECKOUT / "notebooks" / "solutions").glob("*.ipynb")}
    assert {path.name for path in shipped.iterdir()} == names
    assert "00_setup.ipynb" in names
    installed.npc_lab("start", "without solutions", "--no-open")
    assert not list(installed.elsewhere.glob("without solutions/**/solutions"))


def test_two_characters_talk(installed: Installed) -> None:
    output = installed.npc_lab("demo", "--provider", "fake", "--turns", "2")
    assert "Sir Geoffrey" in output
    assert "2 lines" in output


def test_the_wheel_says_that_it_is_typed(installed: Installed) -> None:
    assert (installed.packages / "npc_lab" / "py.typed").exists()
