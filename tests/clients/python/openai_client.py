"""The official openai package, over backends of every dialect."""
import json

import openai
from pydantic import BaseModel

from harness import HELPERS, KEY, PARAMETERS, PIXEL, QUESTION, URL, raises, run

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)
chat = client.chat.completions
USER = [{"role": "user", "content": QUESTION}]
TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather of a city", "parameters": PARAMETERS}}
RESPONSE_TOOL = {"type": "function", "name": "weather", "description": "Weather", "parameters": PARAMETERS, "strict": False}


class Weather(BaseModel):
    city: str
    degrees: int


def text_whole_and_streamed():
    for model in HELPERS:
        answer = chat.create(model=model, messages=USER, max_tokens=50)
        assert answer.choices[0].message.content == "Hello there" and answer.choices[0].finish_reason == "stop", answer
        assert (answer.model, answer.usage.prompt_tokens, answer.usage.completion_tokens) == (model, 11, 7), answer
        events = list(chat.create(model=model, messages=USER, stream=True, stream_options={"include_usage": True}))
        text = "".join(c.delta.content or "" for e in events for c in e.choices)
        assert text == "Hello there" and events[-1].usage.completion_tokens == 7 and not events[-1].choices, events
        assert {e.model for e in events} == {model} and len({e.id for e in events}) == 1, events
        plain = list(chat.create(model=model, messages=USER, stream=True))
        assert all(len(e.choices) == 1 for e in plain) and plain[-1].choices[0].finish_reason == "stop", plain


def tools_there_and_back():
    for model in HELPERS:
        whole = chat.create(model=model, messages=USER, tools=[TOOL]).choices[0]
        with chat.stream(model=model, messages=USER, tools=[TOOL]) as stream:
            streamed = stream.get_final_completion().choices[0]
        for choice in (whole, streamed):
            call = choice.message.tool_calls[0]
            assert choice.finish_reason == "tool_calls" and call.function.name == "weather" and call.id, choice
            assert json.loads(call.function.arguments) == {"city": "Paris"}, choice
            turn = {"role": "assistant", "tool_calls": [call.model_dump(include={"id", "type", "function"})]}
            turn["tool_calls"][0]["function"] = {"name": "weather", "arguments": call.function.arguments}
            result = {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"degrees": 21})}
            answer = chat.create(model=model, messages=[*USER, turn, result], tools=[TOOL])
            assert answer.choices[0].message.content == "It is 21 degrees in Paris", answer


def images_and_schemas():
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]
    for model in HELPERS:
        answer = chat.create(model=model, messages=[{"role": "user", "content": parts}])
        assert answer.choices[0].message.content == "I see an image", answer
        parsed = chat.parse(model=model, messages=USER, response_format=Weather).choices[0].message.parsed
        assert parsed == Weather(city="Paris", degrees=21), parsed
        with chat.stream(model=model, messages=USER, response_format=Weather) as stream:
            assert stream.get_final_completion().choices[0].message.parsed == parsed


def reasoning_is_kept():
    assert chat.create(model="thinks", messages=USER).choices[0].message.reasoning_content == "hm, so"
    deltas = [c.delta for e in chat.create(model="thinks", messages=USER, stream=True) for c in e.choices]
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "hm, so"


def responses_api():
    for model in HELPERS:
        answer = client.responses.create(model=model, input=QUESTION, instructions="Be brief")
        assert (answer.output_text, answer.status, answer.usage.output_tokens) == ("Hello there", "completed", 7), answer
        with client.responses.stream(model=model, input=QUESTION) as stream:
            kinds = [event.type for event in stream]
            assert stream.get_final_response().output_text == "Hello there"
        assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
        call = client.responses.create(model=model, input=QUESTION, tools=[RESPONSE_TOOL]).output[0]
        assert call.type == "function_call" and json.loads(call.arguments) == {"city": "Paris"}, call
        with client.responses.stream(model=model, input=QUESTION, tools=[RESPONSE_TOOL]) as stream:
            streamed = stream.get_final_response().output[0]
        assert (streamed.name, json.loads(streamed.arguments)) == ("weather", {"city": "Paris"}), streamed
        turns = [
            {"role": "user", "content": QUESTION},
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": json.dumps({"degrees": 21})},
        ]
        answer = client.responses.create(model=model, input=turns, tools=[RESPONSE_TOOL])
        assert answer.output_text == "It is 21 degrees in Paris", answer
        assert client.responses.parse(model=model, input=QUESTION, text_format=Weather).output_parsed.degrees == 21


def completions_and_embeddings():
    for model in HELPERS:
        assert client.completions.create(model=model, prompt="Say hello").choices[0].text == "Hello there"
        events = list(client.completions.create(model=model, prompt="Say hello", stream=True))
        assert "".join(c.text for e in events for c in e.choices) == "Hello there"
    vectors = client.embeddings.create(model="embedder", input=["a", "b"], encoding_format="float")
    assert [v.embedding for v in vectors.data] == [[0.5, 0.25]] * 2 and vectors.usage.prompt_tokens == 3


def another_takes_over():
    for stream in (False, True):
        raw = chat.with_raw_response.create(model="broken", messages=USER, stream=stream, extra_body={"models": ["broken", "cut" if not stream else "garbage", "helper-gemini"]})
        assert raw.headers["x-pointsman-fallback-used"] == "true" and raw.headers["x-pointsman-model"] == "helper-gemini"
        answer = raw.parse()
        text = "".join(c.delta.content or "" for e in answer for c in e.choices) if stream else answer.choices[0].message.content
        assert text == "Hello there"
        route = {"only": HELPERS}
        assert chat.create(model="auto", messages=USER, extra_body={"route": route}).model in HELPERS


def errors_map_to_classes():
    for stream in (False, True):
        def ask(model, stream=stream, **more):
            return chat.create(model=model, messages=USER, stream=stream, **more)

        raises(openai.NotFoundError, lambda: ask("helper-openal"), status_code=404, code="model_not_found")
        raises(openai.BadRequestError, lambda: ask("strict"), status_code=400, param="messages")
        error = raises(openai.RateLimitError, lambda: ask("limited"), status_code=429)
        assert 1 <= int(error.response.headers["retry-after"]) <= 7
        for model, status in (("broken", 502), ("garbage", 502), ("slow", 504)):
            error = raises(openai.InternalServerError, lambda: ask(model), status_code=status)
            assert model in error.message, error.message
        raises(openai.BadRequestError, lambda: ask(""), status_code=400)
        other = client.with_options(api_key="wrong").chat.completions
        raises(openai.AuthenticationError, lambda: other.create(model="thinks", messages=USER, stream=stream), status_code=401)
    assert chat.create(model="filtered", messages=USER).choices[0].finish_reason == "content_filter"
    raises(openai.ContentFilterFinishReasonError, lambda: chat.parse(model="filtered", messages=USER, response_format=Weather))
    raises(openai.NotFoundError, lambda: client.models.retrieve("nobody"))
    raises(openai.NotFoundError, lambda: client.embeddings.create(model="nobody", input="a"))
    raises(openai.BadRequestError, lambda: client.responses.create(model="helper-openai", input="a", previous_response_id="r"), param="previous_response_id")


def a_stream_cut_short_raises():
    said = []

    def read(events):
        said.clear()
        for event in events:
            said.extend(c.delta.content for c in event.choices if c.delta.content)

    raises(openai.APIError, lambda: read(chat.create(model="cut", messages=USER, stream=True)))
    assert "".join(said) == "Hello there", said

    def respond():
        with client.responses.stream(model="cut", input=QUESTION) as stream:
            return [event.type for event in stream][-1]

    try:
        assert respond() == "response.failed"
    except openai.APIError:
        pass
    raises(openai.APIError, lambda: list(client.completions.create(model="cut", prompt="a", stream=True)))


run(
    [text_whole_and_streamed, tools_there_and_back, images_and_schemas, reasoning_is_kept, responses_api,
     completions_and_embeddings, another_takes_over, errors_map_to_classes, a_stream_cut_short_raises],
    "openai", openai.__version__,
)
