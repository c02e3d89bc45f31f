#!/bin/sh
# Build landmarks for arm64 and run it on this machine, where QEMU emulates a Cortex-A53. The points are those of a phone's
# arithmetic, but the latency is that of QEMU. MNN is from the Python wheel in the emulator's arm64 system.
set -eu

fail() { echo "emulated.sh: $1" >&2; exit 2; }

usage="allowed: MODEL.mnn PICTURE.ppm [X,Y,W,H] [--threads N]"
[ $# -ge 2 ] || fail "wrong arguments; $usage"
for file in "$1" "$2"; do
    [ -f "$file" ] || fail "$file not found; $usage"
done
for needed in cmake:cmake make:make aarch64-linux-gnu-g++:g++-aarch64-linux-gnu qemu-aarch64:qemu-user; do
    command -v "${needed%:*}" > /dev/null || fail "${needed%:*} not found; install it with: apt-get install ${needed#*:}"
done
[ -f "${MNN_INCLUDE:-}/MNN/Interpreter.hpp" ] ||
    fail "no headers in MNN_INCLUDE='${MNN_INCLUDE:-}'; set it to the folder with MNN/Interpreter.hpp"
root=${FBNET_PFLD_EMULATOR:-${XDG_CACHE_HOME:-$HOME/.cache}/fbnet-pfld/emulator}/root
for module in "$root"/usr/lib/python3/dist-packages/_mnncengine.*-aarch64-linux-gnu.so; do
    [ -f "$module" ] || fail "no MNN in $root; make it with: fbnet-pfld latency emulator install"
done

# absolute, because cmake resolves a relative path elsewhere
include=$(cd "$MNN_INCLUDE" && pwd)
packages=$(cd "${module%/*}" && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
ln -s "$packages/${module##*/}" "$build/libMNN.so"
ln -s "$packages/mnn.libs" "$build/mnn.libs"
# The module needs symbols of Python's library at load time; the program uses none of them, so an empty variable each suffices.
aarch64-linux-gnu-nm -D --undefined-only "$build/libMNN.so" | sed -n 's/^ *U \(_*Py.*\)/char \1;/p' > "$build/names.c"
aarch64-linux-gnu-g++ -shared -x c "$build/names.c" -o "$build/libnames.so"
cmake -S "$(dirname "$0")" -B "$build" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_CXX_FLAGS=-D_GLIBCXX_USE_CXX11_ABI=0 \
    -DMNN_INCLUDE="$include" -DMNN_LIBRARY="$build/libMNN.so;$build/libnames.so" >&2
cmake --build "$build" >&2
qemu-aarch64 -cpu cortex-a53 -L "$root" "$build/landmarks" "$@"
