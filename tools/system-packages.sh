#!/usr/bin/env bash
# Install the system libraries that Qt, OpenGL and a virtual display need: only those missing.
# Where that is not possible, say what is needed and go on.
set -euo pipefail

packages=(
    xvfb xauth xdotool
    libglib2.0-0 libfontconfig1 libdbus-1-3
    libxkbcommon-x11-0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0
    libxcb-xinerama0 libxcb-shape0 libxcb-cursor0
    libegl1 libgl1 libopengl0
)

if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    echo "Not a Debian or Ubuntu system: please see to it that these, or their like, are there:"
    echo "    ${packages[*]}"
    exit 0
fi

# Some names carry t64 since Ubuntu 24.04 and Debian 13.
installed() {
    dpkg -s "$1" 2>/dev/null | grep -q '^Status: .* installed$' ||
        dpkg -s "${1}t64" 2>/dev/null | grep -q '^Status: .* installed$'
}

missing=()
for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
done
"${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Missing system packages, and no right to install them. Please run as root:"
        echo "    apt-get install ${missing[*]}"
        exit 0
    fi
    as_root=(sudo)
fi

echo "Installing system packages: ${missing[*]}"
install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
if ! { "${as_root[@]}" apt-get update -qq && install; }; then
    echo "Could not install: ${missing[*]}. Going on without; a later step may miss them." >&2
fi
