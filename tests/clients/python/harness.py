"""Runs the tests of one client program and says how each ended."""
import os
import sys
import traceback

URL = os.environ["POINTSMAN_URL"]
KEY = os.environ["POINTSMAN_KEY"]
HELPERS = ["helper-openai", "helper-anthropic", "helper-gemini", "helper-ollama"]
QUESTION = "What is the weather in Paris?"
# one transparent pixel
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def raises(kind, call, **fields):
    """`call` must raise exactly `kind`, with these fields."""
    try:
        answered = call()
    except Exception as error:
        assert type(error) is kind, f"{type(error).__name__} in the place of {kind.__name__}: {error}"
        for name, value in fields.items():
            assert getattr(error, name) == value, f"{name}: {getattr(error, name)!r}, not {value!r}"
        return error
    raise AssertionError(f"no {kind.__name__}, but {answered!r}")


def run(tests, *versions):
    failed = 0
    for test in tests:
        try:
            test()
            print(f"ok   {test.__name__}")
        except Exception:
            failed += 1
            print(f"FAIL {test.__name__}")
            traceback.print_exc(file=sys.stdout)
    print(*versions)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
