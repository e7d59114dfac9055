#!/usr/bin/env bash
# Every check. `tools/check.sh lint` runs the quick ones only; so does any other name in `checks`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
bin=$root/.venv/bin
logs=$root/build/checks

# Two at a time, one a core: when one has ended the next begins. The wheel and what is quick come
# first, so that what fails soon is told soon; then the longest, so that both cores end together.
checks=(wheel lint plugin_pyqt5 plugin_pyqt6 others plugin_pyside6)

step() {
    printf '\n== %s\n' "$*"
}

# pytest-qt and qtpy each choose a Qt binding: tell both. Two at once look for a free screen from
# different numbers on, and share the cores: threads that wait for each other would spin.
with_qt() {
    local api=$1 screen=$2
    shift 2
    OMP_NUM_THREADS=1 QT_API=$api PYTEST_QT_API=$api xvfb-run -a -n "$screen" \
        -s "-screen 0 1920x1200x24" "$bin/python" -m pytest -p no:cacheprovider "$@"
}

lint() {
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
}

wheel() {
    step "wheel: build"
    rm -rf build/wheel build/wheel-env build/wheel-demo
    "$bin/python" -m build --wheel --no-isolation --outdir build/wheel .
    step "wheel: install into a clean environment"
    "$bin/python" -m venv build/wheel-env
    # Compiled is what is imported: all of it would take longer than the rest of the installation.
    build/wheel-env/bin/python -m pip --disable-pip-version-check install --quiet --no-compile \
        -c constraints.txt "$(echo build/wheel/*.whl)[pyqt5]"
    step "wheel: the manifest and the demo, away from the checkout"
    cd /
    unset DISPLAY WAYLAND_DISPLAY  # on a real screen the demo would wait for its user
    "$root/build/wheel-env/bin/npe2" validate napari-attn-unet
    OMP_NUM_THREADS=1 "$root/build/wheel-env/bin/attn-unet" demo --out "$root/build/wheel-demo"
}

plugin_pyqt5() {
    step "tests: those of the plugin, PyQt5"
    with_qt pyqt5 100 tests/plugin
}

plugin_pyqt6() {
    step "tests: those of the plugin, PyQt6"
    with_qt pyqt6 200 tests/plugin --ignore tests/plugin/test_closing.py
}

# Where the bindings differ: who owns and deletes a widget, when slots are called, what is drawn.
plugin_pyside6() {
    step "tests: closing, kit, panel, drawing and the acceptance, PySide6"
    with_qt pyside6 300 tests/plugin/test_closing.py tests/plugin/kit tests/plugin/overlay \
        tests/plugin/test_panel.py tests/acceptance
}

others() {
    step "tests: all but the plugin's"
    with_qt pyqt5 400 --ignore tests/plugin
}

# Run a check and show what it said in one piece.
whole() {
    local name=$1 begun=$SECONDS outcome=passed
    echo "-- $name: begun"
    tools/check.sh "$name" >"$logs/$name.log" 2>&1 || outcome=FAILED
    flock "$logs" cat "$logs/$name.log"
    echo "-- $name: $outcome, $((SECONDS - begun)) s"
    [ $outcome = passed ] || exit 255  # at which xargs begins no other
}

case ${1:-all} in
    all)
        command -v xvfb-run >/dev/null || {
            echo "xvfb-run is needed for the tests (Debian and Ubuntu: xvfb xauth)." >&2
            exit 1
        }
        mkdir -p "$logs"
        printf '%s\n' "${checks[@]}" | xargs -P 2 -I NAME tools/check.sh whole NAME || {
            step "FAILED: what is said so above; the whole of it is in build/checks/"
            exit 1
        }
        step "all checks passed"
        ;;
    whole) whole "$2" ;;
    *)
        [[ " ${checks[*]} " == *" $1 "* ]] || {
            echo "There is no check $1, but these: ${checks[*]}." >&2
            exit 2
        }
        "$1"
        ;;
esac
