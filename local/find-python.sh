#!/bin/sh
# Prints the path of the newest working CPython from 3.13 down to 3.11, or one line on standard error.
# PYTHON=/path/to/python3 overrides the search.
set -eu

# Prints the interpreter's path when it runs, is 3.11 to 3.13 and can make environments. A pyenv shim may exist and
# still fail, which is why each candidate is tried and not only looked up.
usable() {
    "$1" -c 'import sys, ssl, sqlite3, venv, ensurepip
assert sys.implementation.name == "cpython" and (3, 11) <= sys.version_info[:2] <= (3, 13)
assert sys.version_info[:2] == tuple(map(int, sys.argv[1].split("."))) or sys.argv[1] == "0.0"
print(sys.executable)' "$2" 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" 0.0 && return
        echo "PYTHON=$PYTHON does not run, is not CPython 3.11 to 3.13, or lacks venv." >&2
        return 1
    fi
    for version in 3.13 3.12 3.11; do
        for candidate in "python$version" "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version"*/bin/"python$version" python3 python; do
            usable "$candidate" "$version" && return
        done
    done
    echo "No working CPython 3.13, 3.12 or 3.11 with venv and ensurepip found (on Debian: apt install python3-venv)." >&2
    return 1
}

find_python
