"""The official openai package against `pointsman serve --demo`: usage: openai_client.py BINARY"""
import json
import subprocess
import sys
import tempfile
import traceback

import openai

USER = [{"role": "user", "content": "Write a Python function that merges two sorted lists"}]


def models_list(client):
    ids = [m.id for m in client.models.list()]
    assert ids[0] == "auto" and "demo-code" in ids, ids
    assert client.models.retrieve("demo-local").id == "demo-local"


def completion_by_name(client):
    answer = client.chat.completions.create(model="demo-local", messages=USER)
    assert answer.model == "demo-local" and answer.choices[0].finish_reason == "stop"
    assert "simulated" in answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def auto_is_classified_and_explained(client):
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=USER)
    assert raw.headers["x-pointsman-task"] == "code", dict(raw.headers)
    assert raw.headers["x-pointsman-model"] == raw.parse().model == "demo-code"
    assert raw.headers["x-pointsman-route-reason"] == "auto:code"
    assert float(raw.headers["x-pointsman-cost-usd"]) > 0


def stream(client):
    events = list(client.chat.completions.create(model="auto", messages=USER, stream=True))
    text = "".join(e.choices[0].delta.content or "" for e in events if e.choices)
    assert "simulated" in text and events[-1].choices[0].finish_reason == "stop"
    assert {e.model for e in events} == {"demo-code"}


def stream_with_usage(client):
    options = {"include_usage": True}
    events = list(client.chat.completions.create(model="demo-code", messages=USER, stream=True, stream_options=options))
    assert events[-1].usage.completion_tokens > 10 and not events[-1].choices


def stream_left_early(client):
    with client.chat.completions.create(model="demo-reasoner", messages=USER, stream=True) as events:
        next(iter(events))
    completion_by_name(client)


def tools_and_parts(client):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=USER, tools=[tool])
    assert raw.headers["x-pointsman-model"] != "demo-local", "the local model has no tools"
    parts = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=[{"role": "user", "content": parts}])
    assert raw.headers["x-pointsman-model"] == "demo-reasoner", "only the reasoner sees"


def own_fields_through_extra_body(client):
    answer = client.chat.completions.create(model="auto", messages=USER, extra_body={"route": {"local_only": True}})
    assert answer.model == "demo-local"


def every_form_is_answered(client):
    def reason(stream, **fields):
        raw = client.chat.completions.with_raw_response.create(messages=USER, stream=stream, **fields)
        answer = raw.parse()
        text = "".join(c.delta.content or "" for chunk in answer for c in chunk.choices) if stream else answer.choices[0].message.content
        assert text
        return raw.headers["x-pointsman-route-reason"]

    forms = ["industry:legal", "strategy:cost", "strategy:quality", "strategy:latency", "strategy:local"]
    for stream in (False, True):
        for form in forms:
            assert reason(stream, model=form).startswith(form), form
        chain = {"models": ["nobody", "demo-local", "auto"]}
        assert reason(stream, model="demo-code", extra_body=chain) == "alias"
        tagged = reason(stream, model="auto", metadata={"industry": "code"})
        assert tagged == "industry:code", tagged


def refused(kind, status, code, call):
    try:
        call()
    except kind as error:
        assert error.status_code == status and error.code == code, (error.status_code, error.code, error.message)
        return error.message
    raise AssertionError(f"no {kind.__name__}")


def errors_map_to_classes(client):
    create = client.chat.completions.create
    message = refused(openai.NotFoundError, 404, "model_not_found", lambda: create(model="demo-cod", messages=USER))
    assert "demo-code" in message, message
    refused(openai.BadRequestError, 400, "invalid_value", lambda: create(model="auto", messages=[]))
    refused(openai.BadRequestError, 400, "invalid_model", lambda: create(model="a\nb", messages=USER))
    long = [{"role": "user", "content": "word " * 300_000}]
    refused(openai.BadRequestError, 400, "context_length_exceeded", lambda: create(model="auto", messages=long))
    refused(openai.APIStatusError, 413, "request_too_large", lambda: create(model="auto", messages=[{"role": "user", "content": "a" * 50_000_000}]))
    refused(openai.BadRequestError, 400, "unknown_industry", lambda: create(model="industry:mining", messages=USER))
    refused(openai.BadRequestError, 400, "invalid_model", lambda: create(model="strategy:best", messages=USER))
    nothing = {"route": {"local_only": True, "require": ["tools"]}}
    message = refused(openai.InternalServerError, 503, "nothing_eligible",
                      lambda: create(model="auto", messages=USER, extra_body=nothing))
    assert "not local" in message, message


def main():
    command = [sys.argv[1], "serve", "--demo", "--demo-instant", "--listen", "127.0.0.1:0", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
        failed = 0
        tests = [models_list, completion_by_name, auto_is_classified_and_explained, stream, stream_with_usage,
                 stream_left_early, tools_and_parts, own_fields_through_extra_body, every_form_is_answered,
                 errors_map_to_classes]
        try:
            url = json.loads(server.stdout.readline())["url"]
            client = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=30)
            for test in tests:
                try:
                    test(client)
                    print(f"ok   {test.__name__}")
                except Exception:
                    failed += 1
                    print(f"FAIL {test.__name__}")
                    traceback.print_exc()
        finally:
            server.terminate()
            status = server.wait(timeout=40)
        if status != 0:
            failed += 1
            print(f"FAIL the server ended with {status}")
        print(f"openai {openai.__version__}")
        print(f"{len(tests) - min(failed, len(tests))} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
