"""An Android device over ``adb``: find it, copy files to it, run commands on it."""

import os
import shutil
import subprocess
from pathlib import Path

from ...search_space.errors import InputError

_DONE = "fbnet-pfld-exit-code="
"""Printed after each command's output, with its exit code, because older devices do not pass the code on."""


class Adb:
    """A connection to one device.

    Parameters
    ----------
    serial
        Serial number of the device, required if several are connected. The default is ``ANDROID_SERIAL``.

    Raises
    ------
    InputError
        If ``adb`` is missing, no device is ready, or several are and none is named.
    """

    def __init__(self, serial: str | None = None):
        program = shutil.which("adb")
        if program is None:
            raise InputError("adb not found; install Android's platform tools, and put them on the PATH")
        self._adb = [program]
        self.serial = _choose(self._devices(), serial or os.environ.get("ANDROID_SERIAL"))
        self._adb += ["-s", self.serial]

    def shell(self, command: str, timeout_s: float = 600) -> str:
        """Run a shell command on the device; return its standard output and error.

        Raises
        ------
        InputError
            If the command fails, or the connection is lost before it ends.
        """
        printed = self._call(["shell", f"{{ {command}\n}} 2>&1; echo {_DONE}$?"], timeout_s)
        output, found, code = printed.rpartition(_DONE)
        if not found:
            raise InputError(f"connection to device {self.serial} lost during: {command}")
        if code.strip() != "0":
            said = output.strip().splitlines()
            raise InputError(f"device {self.serial}: {command}: exit code {code.strip()}" + (f": {said[-1]}" if said else ""))
        return output

    def push(self, file: Path, to: str) -> None:
        """Copy a file to the path ``to`` on the device."""
        self._call(["push", str(file), to], 600)

    def _devices(self) -> dict[str, str]:
        """Serial number -> state of each connected device."""
        lines = self._call(["devices"], 60).splitlines()
        return {cells[0]: cells[1] for cells in (line.split("\t") for line in lines) if len(cells) == 2}

    def _call(self, arguments: list[str], timeout_s: float) -> str:
        try:
            done = subprocess.run([*self._adb, *arguments], capture_output=True, text=True, errors="replace", timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise InputError(f"adb {arguments[0]}: no answer within {timeout_s:.0f} s") from None
        except OSError as error:
            raise InputError(f"adb cannot be run: {error}") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise InputError(f"adb {arguments[0]}: {said[-1] if said else f'exit code {done.returncode}'}")
        return done.stdout.replace("\r\n", "\n")


def _choose(devices: dict[str, str], serial: str | None) -> str:
    ready = [name for name, state in devices.items() if state == "device"]
    if serial is not None:
        if serial not in ready:
            raise InputError(
                f"device {serial!r} is {devices.get(serial, 'not connected')}; "
                f"ready: {', '.join(ready) or 'none; connect one, and allow USB debugging on its screen'}"
            )
        return serial
    if not ready:
        states = ", ".join(f"{name} is {state}" for name, state in devices.items()) or "none is connected"
        raise InputError(f"no Android device is ready ({states}); connect one, and allow USB debugging on its screen")
    if len(ready) > 1:
        raise InputError(f"{len(ready)} Android devices are connected; choose one with --serial: {', '.join(sorted(ready))}")
    return ready[0]
