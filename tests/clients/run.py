"""Starts scripted backends and the gateway over them, then each client program: run.py BINARY PYTHON NODE"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import backends

HERE = Path(__file__).parent
CONFIG = """
[[backends]]
name = "lab"
kind = "openai"
base_url = "{url}/v1"
timeouts = {{ connect = "1s", first_byte = "500ms", idle = "500ms", total = "5s" }}
[[backends]]
name = "claude"
kind = "anthropic"
base_url = "{url}/v1"
api_key_env = "CLAUDE_KEY"
discover = false
models = [{{ id = "helper-anthropic" }}]
[[backends]]
name = "gemini"
kind = "gemini"
base_url = "{url}/v1beta"
api_key_env = "GEMINI_LAB_KEY"
discover = false
models = [{{ id = "helper-gemini" }}]
[[backends]]
name = "ollama"
kind = "ollama"
base_url = "{url}"
dialect = "native"
discover = false
models = [{{ id = "helper-ollama" }}]
[breakers]
enabled = false
[[keys]]
name = "tests"
env = "GATEWAY_KEY"
"""
# what would lead a client elsewhere, or to a proxy
FOREIGN = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OLLAMA_BASE_URL"]


def environment(**more):
    return {k: v for k, v in os.environ.items() if k not in FOREIGN and not k.lower().endswith("_proxy")} | more


def gateway(binary, folder, url):
    (Path(folder) / "pointsman.toml").write_text(CONFIG.format(url=url))
    variables = environment(CLAUDE_KEY="claude-key", GEMINI_LAB_KEY="gemini-key", GATEWAY_KEY="secret", RUST_LOG="error")
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=variables)
    return server, json.loads(server.stdout.readline())["url"].removesuffix("/v1")


def main():
    binary, python, node = sys.argv[1:]
    programs = [[python, HERE / "python" / name] for name in ("openai_client.py", "anthropic_client.py", "langchain_client.py")]
    if node:
        programs += [[node, Path(node_home()) / name] for name in ("openai.mjs", "vercel.mjs")]
    else:
        print("no node: the JavaScript clients are skipped")
    failed = subprocess.run([python, HERE / "python" / "openai_demo.py", binary], env=environment()).returncode != 0
    scripted, url = backends.start()
    with tempfile.TemporaryDirectory() as folder:
        server, address = gateway(binary, folder, url)
        try:
            for program in programs:
                print(f"-- {program[1].name}", flush=True)
                client = environment(POINTSMAN_URL=address, POINTSMAN_KEY="secret")
                failed |= subprocess.run(program, env=client, timeout=300).returncode != 0
        finally:
            server.terminate()
            scripted.stopping.set()
            status = server.wait(timeout=40)
            scripted.shutdown()
    if status != 0:
        print(f"FAIL the server ended with {status}")
    return 1 if failed or status != 0 else 0


def node_home():
    """Where the packages are installed; a module looks for them beside itself."""
    return os.environ["POINTSMAN_NODE_HOME"]


if __name__ == "__main__":
    sys.exit(main())
