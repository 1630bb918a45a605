#!/usr/bin/env bash
# The numbers of benches/README.md on failures: what a failover costs, how soon a client that leaves is noticed, what a
# hanging backend does to the others, and a soak of 200,000 requests. Builds the release binary and holds all to their bars.
# usage: scripts/resilience.sh    (SOAK_REQUESTS=N for a shorter soak)
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/pointsman/target}
cargo build --quiet --release --locked --bin pointsman
export POINTSMAN_BIN=${POINTSMAN_BIN:-$CARGO_TARGET_DIR/release/pointsman}
export RESILIENCE_STRICT=1 SOAK_REQUESTS=${SOAK_REQUESTS:-200000}
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg), cores: $(nproc)"
cargo test --quiet --locked -p pointsman-tests --test resilience -- --nocapture --test-threads 1
cargo test --quiet --locked -p pointsman-tests --test soak -- --nocapture
