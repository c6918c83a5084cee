#!/bin/sh
# Make .venv and install one lock file into it: `local/setup.sh local|dev`. Does nothing when all is current.
# PYTHON=/path/to/python3 overrides the search of local/find-python.sh.
set -eu
cd "$(dirname "$0")/.."
case "$1" in
    dev) locks="requirements/dev.txt requirements/vision.txt" ;;
    *) locks="requirements/local.txt" ;;
esac
venv=.venv

checksum() { cat requirements/dev.txt requirements/vision.txt requirements/local.txt requirements/uv.txt | cksum; }

current() { [ -f "$venv/.$1" ] && [ "$(cat "$venv/.$1")" = "$(checksum)" ]; }

if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    # What is needed to run is part of what is needed to develop.
    if current dev || current "$1"; then exit 0; fi
else
    python=$(local/find-python.sh)
    echo "Making $venv with $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

echo "Installing $locks into $venv (once, until they change)"
options="--no-deps --require-hashes"
for lock in $locks; do options="$options -r $lock"; done
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
# uv is quick; pip knows every mirror setting of this machine. Either installs exactly the locked files.
# shellcheck disable=SC2086 # a list of options
"$venv/bin/uv" pip install --quiet --no-config --python "$venv/bin/python" $options ||
    "$venv/bin/python" -m pip install --disable-pip-version-check $options
checksum > "$venv/.$1"
