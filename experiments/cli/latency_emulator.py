"""``fbnet-pfld latency emulator``: set up the emulated Arm core."""

from ..pipeline.command import App
from .options import Json
from .output import finish, track

app = App(no_args_is_help=True, help="Set up the emulated Arm core.")


def install(as_json: Json = False) -> None:
    """Install the emulator's arm64 system, about 180 MB, from Debian packages and the engines' wheels, and test it.

    The Debian packages qemu-user, gcc and gcc-aarch64-linux-gnu must be installed.
    The system is installed into the user's cache, or into the folder that FBNET_PFLD_EMULATOR names.
    """
    from ...latency.emulator.components import find_components
    from ...latency.emulator.install import install as make
    from ...latency.emulator.runner import try_engines

    root = make(track)
    components = find_components()
    try_engines(components)
    finish({"root": str(root), "engines": components.versions, "qemu": components.qemu}, as_json)


app.add(install, "fbnet-pfld latency emulator install")
