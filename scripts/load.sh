#!/usr/bin/env bash
# The tables of benches/README.md: builds the release binaries and measures the gateway beside a bare backend,
# first with our own harness, then, where it is installed, the throughput with wrk too.
# usage: scripts/load.sh [--seconds N]
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/pointsman/target}
cargo build --quiet --release -p pointsman-cli -p pointsman-benches --bins
bin=$CARGO_TARGET_DIR/release
ulimit -n 8192 2>/dev/null || true
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg), cores: $(nproc)"
"$bin/load" --gateway "$bin/pointsman" --backend "$bin/bare_backend" "$@"
echo "load after: $(cut -d' ' -f1-3 /proc/loadavg)"

command -v wrk >/dev/null || { echo "wrk is not installed: its table is left out"; exit 0; }
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$dir"' EXIT
mkfifo "$dir/stdin"
"$bin/bare_backend" <"$dir/stdin" >"$dir/backend" & pids+=($!)
exec 3>"$dir/stdin" # the backend ends with its standard input
until grep -q http "$dir/backend"; do sleep 0.05; done
direct=$(cat "$dir/backend")
printf '[[backends]]\nname = "bare"\nkind = "openai"\nbase_url = "%s"\n' "$direct" >"$dir/pointsman.toml"
RUST_LOG=warn "$bin/pointsman" serve --json --config "$dir/pointsman.toml" --listen 127.0.0.1:0 >"$dir/gateway" & pids+=($!)
until grep -q url "$dir/gateway"; do sleep 0.05; done
gateway=$(sed 's/.*"url":"\([^"]*\)".*/\1/' "$dir/gateway")
cat >"$dir/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"model":"bench","messages":[{"role":"user","content":"hello"}]}'
LUA
rate() { wrk -t1 -c64 -d4 -s "$dir/post.lua" "$1/chat/completions" | awk '/Requests\/sec/ {print $2}'; }
echo "wrk, 64 connections, requests per second: direct, gateway"
for _ in 1 2 3; do echo "$(rate "$direct") $(rate "$gateway")" | awk '{printf "%d %d %.0f%%\n", $1, $2, 100 * $2 / $1}'; done
