#!/usr/bin/env bash
# The table of benches/README.md: builds the release binaries and measures the gateway beside a bare backend.
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
