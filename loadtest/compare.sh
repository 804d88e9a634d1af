#!/usr/bin/env bash
# The comparison of Levee with Tinylicious, each on one processor, interleaved, verified: builds
# both, runs the scenarios, prints one table. Bounded: every run ends by itself.
# REPEAT=3  repetitions, STEP=3  seconds of each step of a ramp
# SERVER_CPU=0 LOAD_CPU=1  processors; PEERS="tinylicious levee"  the first is what ratios are to
# NICE=0    priority of services and generator, negative on a machine that others use too
# SCENARIOS="hot-document cold-load idle"
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
cd "$root"
repeat=${REPEAT:-3}
step=${STEP:-3}
nice=${NICE:-0}
server_cpu=${SERVER_CPU:-0}
load_cpu=${LOAD_CPU:-1}
read -ra peers <<< "${PEERS:-tinylicious levee}"
read -ra scenarios <<< "${SCENARIOS:-hot-document cold-load idle}"
loadtest=target/release/levee-loadtest
results=target/peers/compare-$(date +%Y%m%d-%H%M%S).jsonl
port=7180
pids=()

stop_all() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2> /dev/null || true
        wait "$pid" 2> /dev/null || true
    done
    pids=()
    rm -rf target/peers/*-data-*
}
trap stop_all EXIT

# Starts peer $1 on a fresh port and data; leaves port and process id in $started.
start() {
    port=$((port + 1))
    nice -n "$nice" "$here/peers/$1.sh" "$port" "$server_cpu" &
    pids+=("$!")
    for _ in $(seq 100); do
        if (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
            started="http://127.0.0.1:$port,pid=${pids[-1]}"
            return
        fi
        kill -0 "${pids[-1]}" 2> /dev/null || break
        sleep 0.2
    done
    echo "$1 did not start; see target/peers/$1-$port.log" >&2
    exit 1
}

if [ "$nice" != 0 ] && [ -w /proc/self/autogroup ]; then
    # Linux shares processors between sessions first and looks at priorities inside of each.
    [ -n "${OWN_SESSION:-}" ] || OWN_SESSION=1 exec setsid --wait "$here/compare.sh"
    echo "$nice" > /proc/self/autogroup || true
fi

mkdir -p target/peers
for peer in "${peers[@]}"; do "$here/peers/$peer.sh" --install; done
cargo build --release --quiet --package levee-loadtest

failed=0
measure() { # measure SCENARIO
    local arguments=()
    for peer in "${peers[@]}"; do
        start "$peer"
        arguments+=(--peer "$peer=$started")
    done
    nice -n "$nice" "$loadtest" compare "$here/scenarios/$1.toml" "${arguments[@]}" --repeat 1 \
        --step-seconds "$step" --cpu "$load_cpu" --json "$results" || failed=1
    stop_all
}

# Fresh processes for each repetition: what a process went through before changes it (Tinylicious
# gets slower with every op it keeps, and memory once taken hides what the next clients cost).
for scenario in "${scenarios[@]}"; do
    for _ in $(seq "$repeat"); do measure "$scenario"; done
done

echo
"$loadtest" table "$results"
echo "reports: $results"
exit $failed
