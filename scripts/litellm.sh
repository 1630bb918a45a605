#!/usr/bin/env bash
# Prints the path of a real LiteLLM proxy's command, for the test that follows a running one. Pinned: a later release is
# known to be compromised. Installed once, into a private venv in the cache.
set -euo pipefail
package="litellm[proxy]==1.106.2"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/litellm-1.106.2"
if [[ ! -e "$venv/.complete" ]]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$package" >&2
  touch "$venv/.complete"
fi
printf '%s\n' "$venv/bin/litellm"
