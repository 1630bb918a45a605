#!/usr/bin/env bash
# Real clients against the real binary in demo mode: the official openai Python package, in a private venv.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${POINTSMAN_CACHE:-$HOME/.cache/pointsman}
target=${CARGO_TARGET_DIR:-$cache/target}
binary=${POINTSMAN_BIN:-$target/debug/pointsman}
want=$(sha256sum tests/python/requirements.txt | cut -c1-12)
venv=$cache/venv-$want
if [ ! -e "$venv/.complete" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/python/requirements.txt
  touch "$venv/.complete"
fi
exec env -u OPENAI_API_KEY -u OPENAI_BASE_URL "$venv/bin/python" tests/python/openai_client.py "$binary"
