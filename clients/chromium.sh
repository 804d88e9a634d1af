#!/bin/sh
# Prints where Chromium is. Installs Debian's if there is none and this may; fails with what to do
# otherwise. CHROMIUM names another one.
set -eu

find_chromium() {
  command -v chromium || command -v chromium-browser || command -v google-chrome
}

if [ -n "${CHROMIUM:-}" ]; then
  command -v "$CHROMIUM" && exit 0
  echo "CHROMIUM names no program: $CHROMIUM" >&2
  exit 1
fi
find_chromium && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2
  apt-get install -y -qq --no-install-recommends chromium >&2
  find_chromium && exit 0
fi
echo "no Chromium found: install it (Debian: apt-get install chromium), or name one with CHROMIUM" >&2
exit 1
