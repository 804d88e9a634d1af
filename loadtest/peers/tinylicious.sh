#!/usr/bin/env bash
# Installs the pinned Tinylicious below target/peers and becomes it, on one processor.
# Usage: tinylicious.sh PORT CPU      (foreground; the process id of this script is the service's)
#        tinylicious.sh --install     (only installs)
set -euo pipefail
version=7.0.1
root=$(cd "$(dirname "$0")/../.." && pwd)
home=$root/target/peers/tinylicious-$version
entry=$home/node_modules/tinylicious/dist/index.js

if [ ! -f "$entry" ]; then
    mkdir -p "$home"
    npm install --prefix "$home" --no-fund --no-audit --silent "tinylicious@$version" >&2
fi
[ "${1:-}" != --install ] || exit 0
port=${1:?port}
cpu=${2:?cpu}

# Its defaults (documents and ops in memory, nothing synced), but for the place of its snapshots,
# which is emptied first, unless KEEP is set.
data=$root/target/peers/tinylicious-data-$port
[ -n "${KEEP:-}" ] || rm -rf "$data"
mkdir -p "$data"
export PORT=$port storage=$data NODE_ENV=production
cd "$home"
exec taskset -c "$cpu" node "$entry" > "$root/target/peers/tinylicious-$port.log" 2>&1
