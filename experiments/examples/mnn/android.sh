#!/bin/sh
# Build landmarks for an Android phone, run it there on one picture, and leave nothing on the phone. If several phones are
# connected, set ANDROID_SERIAL. So far run only with stand-ins for adb and the NDK, not on a phone.
set -eu

fail() { echo "android.sh: $1" >&2; exit 2; }

[ $# -ge 2 ] || fail "wrong arguments; allowed: MODEL.mnn PICTURE.ppm [X,Y,W,H] [--threads N]"
model=$1 picture=$2
shift 2
for file in "$model" "$picture"; do
    [ -f "$file" ] || fail "$file not found; allowed: MODEL.mnn PICTURE.ppm [X,Y,W,H] [--threads N]"
done
for word; do
    # these words become part of the phone's command line
    case $word in *[!0-9.,e+-]*) [ "$word" = --threads ] || fail "$word; allowed: X,Y,W,H and --threads N" ;; esac
done
toolchain=${ANDROID_NDK:-}/build/cmake/android.toolchain.cmake
[ -f "$toolchain" ] ||
    fail "no NDK in ANDROID_NDK='${ANDROID_NDK:-}'; set it to the folder with build/cmake/android.toolchain.cmake"
[ -f "${MNN_INCLUDE:-}/MNN/Interpreter.hpp" ] ||
    fail "no headers in MNN_INCLUDE='${MNN_INCLUDE:-}'; set it to the folder with MNN/Interpreter.hpp"
[ -f "${MNN_LIBRARY:-}" ] || fail "no library in MNN_LIBRARY='${MNN_LIBRARY:-}'; set it to the libMNN.so built for the phone"
for tool in cmake adb; do
    command -v $tool > /dev/null || fail "$tool not found; put cmake and Android's platform tools on the PATH"
done

# absolute, because cmake resolves a relative path elsewhere
toolchain=$(cd "$ANDROID_NDK" && pwd)/build/cmake/android.toolchain.cmake
build=$(mktemp -d)
there=/data/local/tmp/fbnet-pfld-example
trap 'rm -rf "$build"' EXIT
cmake -S "$(dirname "$0")" -B "$build" -DCMAKE_TOOLCHAIN_FILE="$toolchain" -DANDROID_PLATFORM=android-21 \
    -DANDROID_ABI="${ANDROID_ABI:-arm64-v8a}" -DMNN_INCLUDE="$MNN_INCLUDE" -DMNN_LIBRARY="$MNN_LIBRARY" >&2
cmake --build "$build" >&2

adb shell "rm -rf $there; mkdir -p $there"
trap 'rm -rf "$build"; adb shell "rm -rf $there"' EXIT
adb push "$build/landmarks" $there/landmarks >&2
adb push "$MNN_LIBRARY" $there/libMNN.so >&2
adb push "$model" $there/model.mnn >&2
adb push "$picture" $there/picture.ppm >&2
# Old phones return no exit code and end lines with a carriage return, so the last line is the exit code.
run="cd $there && chmod 755 landmarks && LD_LIBRARY_PATH=. ./landmarks model.mnn picture.ppm $*; echo \$?"
printed=$(adb shell "$run" | tr -d '\r')
code=${printed##*
}
case $code in '' | *[!0-9]*) fail "adb shell: no answer from the phone" ;; esac
[ "$printed" = "$code" ] || echo "${printed%?"$code"}"
exit "$code"
