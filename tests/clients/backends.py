"""Scripted backends that speak OpenAI, Anthropic Messages, Gemini and Ollama, each strict about its own request.

`helper-DIALECT` calls the first tool it is given, and answers in words once it has the result; it sees images, obeys
a JSON schema, and greets otherwise. The other models fail, each in one way.
"""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ["cut", "broken", "limited", "strict", "slow", "filtered", "thinks", "garbage"]
USAGE = (11, 7)
RECORD = {"city": "Paris", "degrees": 21}


class Bad(Exception):
    """The request is not what this API takes."""


def need(condition, what):
    if not condition:
        raise Bad(what)


def reply(result, tools, schema, image):
    """What the helper says: (kind, value)."""
    if result is not None:
        return "text", f"It is {json.loads(result)['degrees']} degrees in Paris"
    if tools:
        return "tool", (tools[0], {"city": "Paris"})
    if schema:
        need(set(schema["properties"]) == set(RECORD), "schema")
        return "text", json.dumps(RECORD)
    return "text", "I see an image" if image else "Hello there"


def pieces(text):
    return [text[: len(text) // 2], text[len(text) // 2 :]]


# --- OpenAI -------------------------------------------------------------------------------------------------------


def openai(body):
    messages = body["messages"]
    need(all(m["role"] in ("system", "developer", "user", "assistant", "tool") for m in messages), "role")
    result = next((m["content"] for m in messages if m["role"] == "tool"), None)
    if result is not None:
        call = next(m for m in messages if m.get("tool_calls"))["tool_calls"][0]
        need(messages[-1]["tool_call_id"] == call["id"] and json.loads(call["function"]["arguments"]), "tool_call_id")
    tools = [t["function"]["name"] for t in body.get("tools", [])]
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    parts = [p for m in messages if isinstance(m.get("content"), list) for p in m["content"]]
    images = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
    need(all(url.startswith("data:image/") for url in images), "image_url")
    kind, value = reply(result, tools, schema, images)
    usage = {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1], "total_tokens": sum(USAGE)}
    head = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
    if kind == "tool":
        call = {"id": "call_1", "type": "function", "function": {"name": value[0], "arguments": json.dumps(value[1])}}
        message, finish = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
        first, rest = pieces(call["function"]["arguments"])
        deltas = [
            {"role": "assistant", "content": None, "tool_calls": [{**call, "index": 0, "function": {"name": value[0], "arguments": first}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": rest}}]},
        ]
    else:
        message, finish = {"role": "assistant", "content": value}, "stop"
        deltas = [{"role": "assistant", "content": ""}] + [{"content": piece} for piece in pieces(value)]
    if body["model"] == "thinks":
        message["reasoning_content"] = "hm, so"
        deltas[0]["reasoning_content"] = "hm, so"
    if body["model"] == "filtered":
        finish = "content_filter"
    whole = {**head, "object": "chat.completion", "usage": usage, "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    head["object"] = "chat.completion.chunk"
    events = [{**head, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if body.get("stream_options", {}).get("include_usage"):
        events.append({**head, "choices": [], "usage": usage})
    return whole, [f"data: {json.dumps(e)}\n\n" for e in events] + ["data: [DONE]\n\n"], "text/event-stream"


# --- Anthropic Messages -------------------------------------------------------------------------------------------


def anthropic(body):
    need(isinstance(body.get("max_tokens"), int), "max_tokens: Field required")
    roles = [m["role"] for m in body["messages"]]
    need(set(roles) <= {"user", "assistant"} and roles[0] == "user", "roles")
    blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
    result = next((b["content"] for b in blocks if b["type"] == "tool_result"), None)
    if isinstance(result, list):
        result = "".join(part["text"] for part in result)
    if result is not None:
        uses = [b["id"] for b in blocks if b["type"] == "tool_use" and isinstance(b["input"], dict)]
        need([b["tool_use_id"] for b in blocks if b["type"] == "tool_result"] == uses, "tool_use_id")
    for tool in body.get("tools", []):
        need(tool["input_schema"]["type"] == "object", "input_schema")
    tools = [t["name"] for t in body.get("tools", [])]
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    images = [b["source"] for b in blocks if b["type"] == "image"]
    need(all(s["type"] == "base64" and s["media_type"] == "image/png" for s in images), "source")
    kind, value = reply(result, tools, schema, images)
    usage = {"input_tokens": USAGE[0], "output_tokens": USAGE[1]}
    if kind == "tool":
        block, stop = {"type": "tool_use", "id": "toolu_1", "name": value[0], "input": value[1]}, "tool_use"
        start = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in pieces(json.dumps(value[1]))]
    else:
        block, stop = {"type": "text", "text": value}, "end_turn"
        start = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": p} for p in pieces(value)]
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [block],
             "stop_reason": stop, "stop_sequence": None, "usage": usage}
    opening = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events = [
        {"type": "message_start", "message": opening},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": d} for d in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": USAGE[1]}},
        {"type": "message_stop"},
    ]
    return whole, [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events], "text/event-stream"


# --- Gemini -------------------------------------------------------------------------------------------------------


def gemini(body):
    contents = body["contents"]
    need(all(c["role"] in ("user", "model") for c in contents), "role")
    parts = [p for c in contents for p in c["parts"]]
    result = next((json.dumps(p["functionResponse"]["response"]) for p in parts if "functionResponse" in p), None)
    if result is not None:
        need(any("functionCall" in p for p in parts), "functionCall")
    tools = [d["name"] for t in body.get("tools", []) for d in t["functionDeclarations"]]
    config = body.get("generationConfig", {})
    schema = config.get("responseJsonSchema") if config.get("responseMimeType") == "application/json" else None
    images = [p["inlineData"] for p in parts if "inlineData" in p]
    need(all(i["mimeType"] == "image/png" for i in images), "mimeType")
    kind, value = reply(result, tools, schema, images)
    usage = {"promptTokenCount": USAGE[0], "candidatesTokenCount": USAGE[1], "totalTokenCount": sum(USAGE)}

    def answer(parts, last):
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
        return {"candidates": [{**candidate, "finishReason": "STOP"} if last else candidate], "usageMetadata": usage, "responseId": "r1"}

    if kind == "tool":
        call = [{"functionCall": {"name": value[0], "args": value[1]}}]
        events = [answer(call, True)]
        whole = answer(call, True)
    else:
        first, rest = pieces(value)
        events = [answer([{"text": first}], False), answer([{"text": rest}], True)]
        whole = answer([{"text": value}], True)
    return whole, [f"data: {json.dumps(e)}\r\n\r\n" for e in events], "text/event-stream"


# --- Ollama -------------------------------------------------------------------------------------------------------


def ollama(body):
    messages = body["messages"]
    need(all(isinstance(m["content"], str) for m in messages), "content is a string here")
    result = next((m["content"] for m in messages if m["role"] == "tool"), None)
    if result is not None:
        calls = [c for m in messages for c in m.get("tool_calls", [])]
        need(isinstance(calls[0]["function"]["arguments"], dict), "arguments are an object here")
    tools = [t["function"]["name"] for t in body.get("tools", [])]
    images = [i for m in messages for i in m.get("images", [])]
    need(all(not i.startswith("data:") for i in images), "images are bare base64 here")
    schema = body.get("format") if isinstance(body.get("format"), dict) else None
    kind, value = reply(result, tools, schema, images)
    head = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z"}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": USAGE[0], "eval_count": USAGE[1]}
    if kind == "tool":
        message = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": value[0], "arguments": value[1]}}]}
        lines = [{**head, "message": message, "done": False}, {**head, "message": {"role": "assistant", "content": ""}, **end}]
    else:
        message = {"role": "assistant", "content": value}
        lines = [{**head, "message": {"role": "assistant", "content": p}, "done": False} for p in pieces(value)]
        lines.append({**head, "message": {"role": "assistant", "content": ""}, **end})
    return {**head, "message": message, **end}, [json.dumps(line) + "\n" for line in lines], "application/x-ndjson"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/json", headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in [("content-type", kind), ("content-length", str(len(body))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, events, kind, whole=True):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            data = event.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def do_GET(self):
        models = ["helper-openai", "embedder", *FAULTS]
        self.answer(200, {"object": "list", "data": [{"id": m, "object": "model", "created": 1, "owned_by": "lab"} for m in models]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path, _, query = self.path.partition("?")
        try:
            if path == "/v1/embeddings":
                need(isinstance(body["input"], (str, list)), "input")
                count = 1 if isinstance(body["input"], str) else len(body["input"])
                data = [{"object": "embedding", "index": n, "embedding": [0.5, 0.25]} for n in range(count)]
                usage = {"prompt_tokens": 3, "total_tokens": 3}
                return self.answer(200, {"object": "list", "model": body["model"], "data": data, "usage": usage})
            if path == "/v1/chat/completions":
                return self.chat(body)
            if path == "/v1/messages":
                need(self.headers["x-api-key"] == "claude-key" and self.headers["anthropic-version"], "headers")
                whole, events, kind = anthropic(body)
                stream = body.get("stream")
            elif path.startswith("/v1beta/models/helper-gemini:"):
                need(self.headers["x-goog-api-key"] == "gemini-key", "headers")
                whole, events, kind = gemini(body)
                stream = path.endswith(":streamGenerateContent") and "alt=sse" in query
            elif path == "/api/chat":
                whole, events, kind = ollama(body)
                stream = body.get("stream", True)
            else:
                return self.answer(404, {"error": {"message": f"no route {path}", "type": "not_found_error"}})
        except (Bad, KeyError, IndexError, TypeError, StopIteration, AttributeError) as why:
            message = f"not what this API takes: {why!r}"
            return self.answer(400, {"error": {"message": message, "type": "invalid_request_error", "code": 400, "status": "INVALID_ARGUMENT"}})
        if stream:
            self.stream(events, kind)
        else:
            self.answer(200, whole)

    def chat(self, body):
        model = body["model"]
        whole, events, kind = openai(body)
        error = {"error": {"message": f"{model} it is", "type": "server_error", "param": None, "code": None}}
        if model == "broken":
            self.answer(500, error)
        elif model == "limited":
            self.answer(429, error, headers=[("retry-after", "7")])
        elif model == "strict":
            self.answer(400, {"error": {**error["error"], "type": "invalid_request_error", "param": "messages"}})
        elif model == "slow":
            self.server.stopping.wait(20)
        elif model == "garbage":
            self.answer(200, b"<html>", "text/html")
        elif model == "cut":
            if body.get("stream"):
                self.stream(events[:-2], kind, whole=False)
            else:
                half = json.dumps(whole).encode()[:60]
                self.send_response(200)
                self.send_header("content-length", "600")
                self.end_headers()
                self.wfile.write(half)
                self.close_connection = True
        elif body.get("stream"):
            self.stream(events, kind)
        else:
            self.answer(200, whole)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that goes away is part of the tests


def start():
    """A server on a free port of loopback, and its address."""
    server = Server(("127.0.0.1", 0), Handler)
    server.stopping = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"
