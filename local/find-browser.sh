#!/bin/sh
# Make sure there is a Chromium for the browser tests: use what is there, else install Debian's, without a window system
# where it is packaged (it needs less than half the processor time).
set -eu
for name in chromium-headless-shell chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if ! command -v apt-get >/dev/null; then
    echo "The browser tests need Chromium: please install it (no apt-get here)." >&2
    exit 1
fi
elevate=""
[ "$(id -u)" = 0 ] || elevate="sudo -n"
echo "Installing Chromium for the browser tests (once)"
export DEBIAN_FRONTEND=noninteractive
$elevate apt-get update -qq
$elevate apt-get install -qq --no-install-recommends chromium-headless-shell >/dev/null ||
    $elevate apt-get install -qq --no-install-recommends chromium >/dev/null
