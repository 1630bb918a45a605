#!/usr/bin/env bash
# Real clients against the real binary, over scripted backends: openai, anthropic and langchain-openai for Python in a
# private venv, openai and the Vercel AI SDK for Node in a private prefix. Versions are pinned in tests/clients.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${POINTSMAN_CACHE:-$HOME/.cache/pointsman}
target=${CARGO_TARGET_DIR:-$cache/target}
binary=$(realpath "${POINTSMAN_BIN:-$target/debug/pointsman}")
stamp() { cat "$@" | sha256sum | cut -c1-12; }

venv=$cache/venv-$(stamp tests/clients/python/requirements.txt)
if [ ! -e "$venv/.complete" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/clients/python/requirements.txt
  touch "$venv/.complete"
fi

node=$(command -v node || true)
if [ -n "$node" ]; then
  export POINTSMAN_NODE_HOME=$cache/node-$(stamp tests/clients/node/*.json)
  if [ ! -e "$POINTSMAN_NODE_HOME/.complete" ]; then
    rm -rf "$POINTSMAN_NODE_HOME"
    mkdir -p "$POINTSMAN_NODE_HOME"
    cp tests/clients/node/package.json tests/clients/node/package-lock.json tests/clients/node/.npmrc "$POINTSMAN_NODE_HOME"
    # the newest releases ask for a newer Node than some systems have, and run on it all the same
    npm ci --prefix "$POINTSMAN_NODE_HOME" --silent --ignore-scripts --no-audit --no-fund
    touch "$POINTSMAN_NODE_HOME/.complete"
  fi
  # a module looks for packages beside itself
  cp tests/clients/node/*.mjs "$POINTSMAN_NODE_HOME"
fi
exec "$venv/bin/python" tests/clients/run.py "$binary" "$venv/bin/python" "$node"
