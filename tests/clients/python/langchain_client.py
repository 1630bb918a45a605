"""LangChain's ChatOpenAI, over backends of every dialect."""
from importlib.metadata import version

import openai
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from harness import HELPERS, KEY, PIXEL, QUESTION, URL, raises, run


class Weather(BaseModel):
    """Weather of a city."""

    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """Weather of a city."""
    return '{"degrees": 21}'


def model(name, **more):
    return ChatOpenAI(model=name, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30, **more)


def joined(chunks):
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole


def text_whole_and_streamed():
    for name in HELPERS:
        turns = [SystemMessage("Be brief"), HumanMessage(QUESTION)]
        for answer in (model(name).invoke(turns), joined(model(name, stream_usage=True).stream(turns))):
            assert answer.content == "Hello there" and answer.usage_metadata["output_tokens"] == 7, answer
            assert answer.response_metadata["finish_reason"] == "stop", answer


def tools_there_and_back():
    for name in HELPERS:
        bound = model(name).bind_tools([weather])
        for answer in (bound.invoke(QUESTION), joined(bound.stream(QUESTION))):
            [call] = answer.tool_calls
            assert (call["name"], call["args"]) == ("weather", {"city": "Paris"}), answer
            turns = [HumanMessage(QUESTION), answer, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])]
            assert bound.invoke(turns).content == "It is 21 degrees in Paris"


def images_and_schemas():
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    for name in HELPERS:
        assert model(name).invoke([HumanMessage([{"type": "text", "text": "look"}, image])]).content == "I see an image"
        for method in ("json_schema",):
            assert model(name).with_structured_output(Weather, method=method).invoke(QUESTION) == Weather(city="Paris", degrees=21)


def responses_api():
    for name in HELPERS:
        through = model(name, use_responses_api=True)
        assert through.invoke(QUESTION).text == "Hello there"
        assert joined(through.stream(QUESTION)).text == "Hello there"


def batches_and_embeddings():
    answers = model("helper-openai").batch([QUESTION] * 8)
    assert [a.content for a in answers] == ["Hello there"] * 8
    embeddings = OpenAIEmbeddings(model="embedder", base_url=f"{URL}/v1", api_key=KEY, check_embedding_ctx_length=False)
    assert embeddings.embed_documents(["a", "b"]) == [[0.5, 0.25]] * 2


def errors_map_to_classes():
    for call in (lambda m: m.invoke(QUESTION), lambda m: list(m.stream(QUESTION))):
        for name, kind in (("nobody", openai.NotFoundError), ("strict", openai.BadRequestError), ("slow", openai.InternalServerError),
                           ("limited", openai.RateLimitError), ("broken", openai.InternalServerError)):
            try:
                call(model(name))
            except kind:
                continue
            raise AssertionError(f"{name}: no {kind.__name__}")
        wrong = ChatOpenAI(model="thinks", base_url=f"{URL}/v1", api_key="wrong", max_retries=0)
        try:
            call(wrong)
        except openai.AuthenticationError:
            continue
        raise AssertionError("a wrong key opens")


def a_stream_cut_short_raises():
    said = []

    def read():
        for chunk in model("cut").stream(QUESTION):
            said.append(chunk.text)

    raises(openai.APIError, read)
    assert "".join(said) == "Hello there", said


run(
    [text_whole_and_streamed, tools_there_and_back, images_and_schemas, responses_api, batches_and_embeddings,
     errors_map_to_classes, a_stream_cut_short_raises],
    "langchain-openai", version("langchain-openai"),
)
