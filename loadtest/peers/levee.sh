#!/usr/bin/env bash
# Becomes the release binary of this repository, one core, ops synced before they are visible.
# Usage: levee.sh PORT CPU    (foreground; the process id of this script is the service's)
#        levee.sh --install   (only builds)
# DURABILITY (power, process or memory) and DATA (a directory that is emptied first, unless KEEP is
# set) can be set.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ "${1:-}" = --install ]; then
    cd "$root"
    exec cargo build --release --quiet --package levee
fi
port=${1:?port}
cpu=${2:?cpu}
data=${DATA:-$root/target/peers/levee-data-$port}
[ -n "${KEEP:-}" ] || rm -rf "$data"
mkdir -p "$data"
# The log may not be on the way of what is measured: it goes to a file like the others'.
exec "$root/target/release/levee" serve --dev --listen "127.0.0.1:$port" --cores 1 --cpus "$cpu" \
    --data "$data" --durability "${DURABILITY:-power}" > "$root/target/peers/levee-$port.log" 2>&1
