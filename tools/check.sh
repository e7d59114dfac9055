#!/usr/bin/env bash
# Every check, in order; the first failure stops. `tools/check.sh lint` runs the quick ones only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
bin=$root/.venv/bin

step() {
    printf '\n== %s\n' "$*"
}

# pytest-qt and qtpy each choose a Qt binding: tell both. Two at once look for a free screen from
# different numbers on.
with_qt() {
    local api=$1 screen=$2
    shift 2
    QT_API=$api PYTEST_QT_API=$api xvfb-run -a -n "$screen" -s "-screen 0 1920x1200x24" "$@"
}

step "style"
"$bin/ruff" check .
step "format"
"$bin/ruff" format --check .
step "types"
"$bin/mypy"
step "architecture"
"$bin/lint-imports"
step "manifest"
"$bin/npe2" validate napari_attn_unet/napari.yaml

if [ "${1:-}" = lint ]; then
    exit 0
fi

command -v xvfb-run >/dev/null || {
    echo "xvfb-run is needed from here on (Debian and Ubuntu: xvfb xauth)." >&2
    exit 1
}

step "wheel: build"
rm -rf build/wheel build/wheel-env build/wheel-demo
"$bin/python" -m build --wheel --no-isolation --outdir build/wheel .
step "wheel: install into a clean environment"
"$bin/python" -m venv build/wheel-env
wheel=$(echo build/wheel/*.whl)
build/wheel-env/bin/python -m pip --disable-pip-version-check install --quiet \
    -c constraints.txt "$wheel[pyqt5]"
step "wheel: the manifest and the demo, away from the checkout"
(
    cd /
    unset DISPLAY WAYLAND_DISPLAY  # on a real screen the demo would wait for its user
    "$root/build/wheel-env/bin/npe2" validate napari-attn-unet
    "$root/build/wheel-env/bin/attn-unet" demo --out "$root/build/wheel-demo"
)

step "tests, PyQt5; beside them those of the plugin, PyQt6"
with_qt pyqt6 300 "$bin/python" -m pytest tests/plugin -p no:cacheprovider >build/pyqt6.log 2>&1 &
beside=$!
trap 'kill $beside 2>/dev/null || true' EXIT
with_qt pyqt5 99 "$bin/python" -m pytest --cov --cov-report=term
trap - EXIT
wait $beside || {
    cat build/pyqt6.log
    exit 1
}
step "tests of the plugin, PyQt6"
tail -n 1 build/pyqt6.log

step "all checks passed"
