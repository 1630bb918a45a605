// The official openai package for Node, over backends of every dialect.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { HELPERS, KEY, PARAMETERS, PIXEL, QUESTION, URL, run } from "./harness.mjs";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0, timeout: 30_000 });
const chat = client.chat.completions;
const messages = [{ role: "user", content: QUESTION }];
const tools = [{ type: "function", function: { name: "weather", description: "Weather of a city", parameters: PARAMETERS } }];

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

async function textWholeAndStreamed() {
  for (const model of HELPERS) {
    const answer = await chat.create({ model, messages });
    assert.equal(answer.choices[0].message.content, "Hello there");
    assert.deepEqual([answer.model, answer.usage.completion_tokens], [model, 7]);
    const events = await all(await chat.create({ model, messages, stream: true, stream_options: { include_usage: true } }));
    assert.equal(events.flatMap((e) => e.choices).map((c) => c.delta.content ?? "").join(""), "Hello there");
    assert.equal(events.at(-1).usage.completion_tokens, 7);
  }
}

async function toolsThereAndBack() {
  for (const model of HELPERS) {
    const streamed = await chat.stream({ model, messages, tools }).finalChatCompletion();
    for (const answer of [await chat.create({ model, messages, tools }), streamed]) {
      const turn = answer.choices[0].message;
      const [call] = turn.tool_calls;
      assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["weather", { city: "Paris" }]);
      const result = { role: "tool", tool_call_id: call.id, content: JSON.stringify({ degrees: 21 }) };
      const last = await chat.create({ model, messages: [...messages, turn, result], tools });
      assert.equal(last.choices[0].message.content, "It is 21 degrees in Paris");
    }
  }
}

async function imagesAndResponses() {
  const content = [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } }];
  for (const model of HELPERS) {
    const seen = await chat.create({ model, messages: [{ role: "user", content }] });
    assert.equal(seen.choices[0].message.content, "I see an image");
    assert.equal((await client.responses.create({ model, input: QUESTION })).output_text, "Hello there");
    const streamed = await client.responses.stream({ model, input: QUESTION }).finalResponse();
    assert.equal(streamed.output_text, "Hello there");
  }
  const vectors = await client.embeddings.create({ model: "embedder", input: ["a", "b"], encoding_format: "float" });
  assert.deepEqual(vectors.data.map((d) => d.embedding), [[0.5, 0.25], [0.5, 0.25]]);
}

async function errorsMapToClasses() {
  const cases = [
    ["nobody", OpenAI.NotFoundError, 404],
    ["strict", OpenAI.BadRequestError, 400],
    ["limited", OpenAI.RateLimitError, 429],
    ["broken", OpenAI.InternalServerError, 502],
    ["slow", OpenAI.InternalServerError, 504],
  ];
  for (const stream of [false, true]) {
    for (const [model, kind, status] of cases) {
      await assert.rejects(chat.create({ model, messages, stream }), (error) => {
        assert.equal(error.constructor, kind, `${model}: ${error}`);
        assert.equal(error.status, status);
        assert.ok(error.message.length > 10);
        return true;
      });
    }
    const other = new OpenAI({ baseURL: `${URL}/v1`, apiKey: "wrong", maxRetries: 0 });
    await assert.rejects(other.chat.completions.create({ model: "thinks", messages, stream }), OpenAI.AuthenticationError);
  }
}

async function aStreamCutShortThrows() {
  let said = "";
  const read = async () => {
    for await (const event of await chat.create({ model: "cut", messages, stream: true })) said += event.choices[0]?.delta.content ?? "";
  };
  await assert.rejects(read(), OpenAI.APIError);
  assert.equal(said, "Hello there");
}

async function aClientThatLeavesHarmsNobody() {
  const stream = await chat.create({ model: "helper-openai", messages, stream: true });
  for await (const _ of stream) break;
  assert.equal((await chat.create({ model: "helper-openai", messages })).choices[0].message.content, "Hello there");
}

await run("openai", [textWholeAndStreamed, toolsThereAndBack, imagesAndResponses, errorsMapToClasses, aStreamCutShortThrows, aClientThatLeavesHarmsNobody]);
