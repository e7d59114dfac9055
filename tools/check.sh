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
# different numbers on, and share the cores: threads that wait for each other would spin.
with_qt() {
    local api=$1 screen=$2
    shift 2
    OMP_NUM_THREADS=1 QT_API=$api PYTEST_QT_API=$api xvfb-run -a -n "$screen" -s "-screen 0 1920x1200x24" "$@"
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

# The plugin's tests take as long as all others: two runs side by side, one a core, each with its
# share of what the second Qt binding needs. Its log is printed when both have ended.
others() {
    with_qt pyqt5 300 "$bin/python" -m pytest --ignore tests/plugin
    with_qt pyqt6 300 "$bin/python" -m pytest tests/plugin -p no:cacheprovider \
        --ignore tests/plugin/test_closing.py
}

step "tests: those of the plugin, PyQt5; beside them all others, then the plugin's with PyQt6"
others >build/others.log 2>&1 &
beside=$!
trap 'kill $beside 2>/dev/null || true' EXIT
failed=0
with_qt pyqt5 99 "$bin/python" -m pytest tests/plugin || failed=1
wait $beside || failed=1
trap - EXIT
cat build/others.log
[ $failed = 0 ]

step "all checks passed"
