"""The official anthropic package against `/v1/messages`, over backends of every dialect."""
import json

import anthropic

from harness import HELPERS, KEY, PARAMETERS, PIXEL, QUESTION, URL, raises, run

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
USER = [{"role": "user", "content": QUESTION}]
TOOL = {"name": "weather", "description": "Weather of a city", "input_schema": PARAMETERS}


def ask(model, messages=USER, **more):
    return client.messages.create(model=model, max_tokens=50, messages=messages, **more)


def streamed(model, messages=USER, **more):
    with client.messages.stream(model=model, max_tokens=50, messages=messages, **more) as stream:
        kinds = [event.type for event in stream]
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds
        return stream.get_final_message()


def text_whole_and_streamed():
    for model in HELPERS:
        for answer in (ask(model, system="Be brief"), streamed(model, system=[{"type": "text", "text": "Be brief"}])):
            assert [(b.type, b.text) for b in answer.content] == [("text", "Hello there")], answer
            assert (answer.model, answer.role, answer.stop_reason) == (model, "assistant", "end_turn"), answer
            assert answer.usage.output_tokens == 7 and answer.usage.input_tokens == 11, answer


def tools_there_and_back():
    for model in HELPERS:
        for answer in (ask(model, tools=[TOOL]), streamed(model, tools=[TOOL], tool_choice={"type": "any"})):
            use = answer.content[-1]
            assert (answer.stop_reason, use.type, use.name, use.input) == ("tool_use", "tool_use", "weather", {"city": "Paris"}), answer
            result = {"type": "tool_result", "tool_use_id": use.id, "content": json.dumps({"degrees": 21})}
            turns = [*USER, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
            assert ask(model, turns, tools=[TOOL]).content[0].text == "It is 21 degrees in Paris"
            assert streamed(model, turns, tools=[TOOL]).content[0].text == "It is 21 degrees in Paris"


def images_and_schemas():
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    parts = [{"type": "image", "source": source}, {"type": "text", "text": "look"}]
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
              "required": ["city", "degrees"], "additionalProperties": False}
    for model in HELPERS:
        assert ask(model, [{"role": "user", "content": parts}]).content[0].text == "I see an image"
        answer = ask(model, extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
        assert json.loads(answer.content[0].text) == {"city": "Paris", "degrees": 21}, answer


def thinking_is_kept():
    for answer in (ask("thinks"), streamed("thinks")):
        assert [b.type for b in answer.content] == ["thinking", "text"] and answer.content[0].thinking == "hm, so", answer


def another_takes_over():
    raw = client.messages.with_raw_response.create(model="broken", max_tokens=9, messages=USER,
                                                   extra_body={"models": ["broken", "helper-anthropic"]})
    assert raw.headers["x-pointsman-fallback-used"] == "true" and raw.parse().model == "helper-anthropic"
    assert client.messages.count_tokens(model="helper-openai", messages=USER).input_tokens > 3


def errors_map_to_classes():
    for stream in (False, True):
        def fails(kind, status, model, stream=stream, **more):
            error = raises(kind, lambda: ask(model, stream=stream, **more), status_code=status)
            assert error.body["type"] == "error" and error.body["error"]["message"], error.body
            return error

        assert fails(anthropic.NotFoundError, 404, "nobody").body["error"]["type"] == "not_found_error"
        assert fails(anthropic.BadRequestError, 400, "strict").body["error"]["type"] == "invalid_request_error"
        limited = fails(anthropic.RateLimitError, 429, "limited")
        assert limited.body["error"]["type"] == "rate_limit_error" and int(limited.response.headers["retry-after"]) <= 7
        assert fails(anthropic.InternalServerError, 502, "broken").body["error"]["type"] == "api_error"
        fails(anthropic.DeadlineExceededError, 504, "slow")
        fails(anthropic.BadRequestError, 400, "helper-openai", messages=[])
        other = client.with_options(api_key="wrong").messages
        raises(anthropic.AuthenticationError, lambda: other.create(model="thinks", max_tokens=9, messages=USER, stream=stream))
    assert ask("filtered").stop_reason == "refusal"


def a_stream_cut_short_raises():
    said = []

    def read():
        said.clear()
        with client.messages.stream(model="cut", max_tokens=50, messages=USER) as stream:
            said.extend(stream.text_stream)

    try:
        read()
    except anthropic.APIStatusError as error:
        assert error.body["error"]["type"] == "api_error", error.body
    else:
        raise AssertionError(f"a clean end after {said}")
    assert "".join(said) == "Hello there", said


run(
    [text_whole_and_streamed, tools_there_and_back, images_and_schemas, thinking_is_kept, another_takes_over,
     errors_map_to_classes, a_stream_cut_short_raises],
    "anthropic", anthropic.__version__,
)
