#!/bin/sh
# Check the page's scripts: eslint and the type check of their JSDoc. The tools are installed once, until their lock file changes.
set -eu
cd "$(dirname "$0")/.."
if ! command -v npm >/dev/null; then
    echo "The check of web/js needs node and npm: please install them." >&2
    exit 1
fi
stamp() { [ -f ".local/$1" ] && [ -d web-tools/node_modules ] && [ "$(cat ".local/$1")" = "$2" ]; }
mkdir -p .local

lock=$(cat web-tools/package.json web-tools/package-lock.json | cksum)
if ! stamp web-tools "$lock"; then
    echo "Installing the tools that check web/js into web-tools/node_modules (once, until they change)"
    (cd web-tools && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
    echo "$lock" > .local/web-tools
fi
bin=web-tools/node_modules/.bin

# What the API answers, as types, from its description.
described="$lock $(cksum < docs/openapi.json)"
if ! stamp web-types "$described" || [ ! -f web-tools/api.d.ts ]; then
    "$bin/openapi-typescript" docs/openapi.json -o web-tools/api.d.ts >/dev/null 2>&1 ||
        { echo "openapi-typescript cannot read docs/openapi.json" >&2; exit 1; }
    echo "$described" > .local/web-types
fi

"$bin/eslint" --config web-tools/eslint.config.js web/js web-tools/eslint.config.js
"$bin/tsc" --project web-tools
