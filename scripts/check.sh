#!/usr/bin/env bash
# Everything that must hold before a change goes in. CI runs exactly this.
#
#   CARGO_TARGET_DIR   where to build (default: a cache folder, so that fresh clones do not start from nothing)
#   CARGO_NET_OFFLINE  respected as cargo does
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/pointsman/target}"
# tests built in one clone and reused in another must not look for their snapshots in the first
export INSTA_WORKSPACE_ROOT="$PWD" INSTA_UPDATE=no
# nothing is built twice here, and a compiler that trips over its own notes of another clone fails for no reason
export CARGO_INCREMENTAL=0
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

started=$SECONDS
current=""
summary=""
section() {
  current="$1"
  printf '\n== %s (at %ss)\n' "$current" "$((SECONDS - started))"
}
ended() {
  local rc=$?
  if [[ -n "$summary" ]]; then
    # the runner's own closing lines once more: what follows them may be long
    printf '\n== tests, as the runner ended\n'
    grep -E '^ *(Summary|SIGSEGV|SIGABRT|FAIL|TIMEOUT)|^test result:|^error:' "$summary" | tail -n 40 || true
    rm -f "$summary"
  fi
  if ((rc == 0)); then
    printf '\n== all checks passed in %ss\n' "$((SECONDS - started))"
  else
    printf '\n== FAILED: %s (exit %s, after %ss)\n' "$current" "$rc" "$((SECONDS - started))"
  fi
}
trap ended EXIT

section "format"
cargo fmt --all -- --check

section "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings

section "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --locked --no-deps --quiet

section "doc tests"
# crates without any say so at length
cargo test --workspace --locked --doc --quiet | { grep -vE '^$|^running 0 tests$|: ok\. 0 passed; 0 failed; 0 ignored' || true; }

# built before the tests, because the end-to-end tests run it
section "binary"
cargo build --locked --bin pointsman

section "real weights and a real proxy for the tests"
if ! POINTSMAN_MINILM="$(bash scripts/minilm.sh)"; then
  echo "no real weights: the tests that need them say so and are skipped"
  POINTSMAN_MINILM=""
fi
if ! POINTSMAN_LITELLM="$(bash scripts/litellm.sh)"; then
  echo "no real LiteLLM proxy: the test that needs one says so and is skipped"
  POINTSMAN_LITELLM=""
fi
if ! POINTSMAN_E5="$(bash scripts/multilingual.sh)"; then
  echo "no real multilingual weights: the test that needs them says so and is skipped"
  POINTSMAN_E5=""
fi
export POINTSMAN_MINILM POINTSMAN_E5 POINTSMAN_LITELLM

section "tests"
summary="$(mktemp)"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --locked --no-fail-fast --show-progress none --status-level slow \
    --final-status-level fail 2>&1 | tee "$summary"
else
  echo "cargo-nextest is not installed: using cargo test"
  cargo test --workspace --locked --no-fail-fast --lib --bins --tests 2>&1 | tee "$summary"
fi

if cargo deny --version >/dev/null 2>&1; then
  section "licences, bans, advisories"
  cargo deny check licenses bans sources
  # the advisory database lives where CI may not reach
  cargo deny check advisories || echo "advisories: not checked, or not clean; see above"
else
  printf '\ncargo-deny is not installed: licences, bans and advisories are not checked\n'
fi

if [[ -f scripts/clients.sh ]]; then
  section "real clients"
  bash scripts/clients.sh
fi
