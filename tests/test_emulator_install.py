"""Making the arm64 system, with stand-ins for Debian's tools and pip: complete or not at all."""

import json
import zipfile
from pathlib import Path

import pytest

from fbnet_pfld.latency.emulator import install as made
from fbnet_pfld.latency.emulator.components import PACKAGES, PYTHON, VARIABLE, root_versions
from fbnet_pfld.search_space import InputError


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Stand-ins: their recorded calls, and the name of a command that fails."""
    calls: list[list[str]] = []
    broken: list[str] = []

    def stand_in(command, folder):
        calls.append([str(word) for word in command])
        if broken and broken[0] in command:
            raise InputError(f"cannot make the arm64 system: {broken[0]}: no such package")
        if "download" in command and "-d" in command:
            target = Path(command[command.index("-d") + 1])
            target.mkdir()
            with zipfile.ZipFile(target / "ncnn.whl", "w") as wheel:
                wheel.writestr("ncnn/__init__.py", "")
        elif "download" in command:
            (Path(folder) / "python.deb").write_text("")
        elif "-x" in command:
            python = Path(command[-1]) / PYTHON
            python.parent.mkdir(parents=True)
            python.write_text("")

    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(made, "_run", stand_in)
    monkeypatch.setattr(made.shutil, "which", lambda name: f"/bin/{name}")
    return calls, broken


def test_a_system_is_made_once(tmp_path, tools):
    calls, _ = tools
    root = made.install()
    assert root == tmp_path / "root"
    assert root_versions(root) == made.WHEELS
    assert (root / PACKAGES / "ncnn/__init__.py").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert sum("update" in call for call in calls) == 1
    assert made.install() == root
    assert sum("update" in call for call in calls) == 1
    # an incomplete one, or one of other versions, is made again
    (root / PYTHON).unlink()
    made.install()
    assert (root / PYTHON).is_file()
    (root / "manifest.json").write_text(json.dumps({"versions": {"ncnn": "1"}, "files": []}))
    made.install()
    assert root_versions(root) == made.WHEELS


def test_a_failure_leaves_what_was_there(tmp_path, tools):
    _, broken = tools
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "old").write_text("kept")
    broken.append("update")
    with pytest.raises(InputError, match="cannot make the arm64 system: update: no such package"):
        made.install()
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert (tmp_path / "root" / "old").read_text() == "kept"


def test_a_full_disk_is_told(tmp_path, tools, monkeypatch):
    monkeypatch.setattr(made, "NEEDED_MB", 1e12)
    with pytest.raises(InputError, match="MB are free; the arm64 system needs"):
        made.install()


def test_a_machine_without_debians_tools_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        InputError, match="apt-get not found; the arm64 system needs Debian's apt-get and dpkg, so use Debian 12"
    ):
        made.install()
