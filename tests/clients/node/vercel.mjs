// The Vercel AI SDK, over backends of every dialect: by chat completions, and by the Responses API.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, embedMany, generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";
import { HELPERS, KEY, PIXEL, QUESTION, URL, run } from "./harness.mjs";

const gateway = createOpenAI({ baseURL: `${URL}/v1`, apiKey: KEY });
const faces = { chat: (id) => gateway.chat(id), responses: (id) => gateway.responses(id) };
const weather = tool({
  description: "Weather of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, degrees: 21 }),
});

async function each(check) {
  for (const [face, of] of Object.entries(faces)) {
    for (const id of HELPERS) {
      try {
        await check(of(id), id);
      } catch (error) {
        throw new Error(`${face} ${id}`, { cause: error });
      }
    }
  }
}

async function textWholeAndStreamed() {
  await each(async (model) => {
    const { text, usage, finishReason } = await generateText({ model, prompt: QUESTION, instructions: "Be brief" });
    assert.deepEqual([text, usage.outputTokens, finishReason], ["Hello there", 7, "stop"]);
    const streamed = streamText({ model, prompt: QUESTION });
    let said = "";
    for await (const piece of streamed.textStream) said += piece;
    assert.deepEqual([said, await streamed.finishReason, (await streamed.usage).outputTokens], ["Hello there", "stop", 7]);
  });
}

async function toolsThereAndBack() {
  await each(async (model) => {
    const whole = await generateText({ model, prompt: QUESTION, tools: { weather }, stopWhen: isStepCount(3) });
    assert.deepEqual([whole.text, whole.steps.length], ["It is 21 degrees in Paris", 2]);
    const streamed = streamText({ model, prompt: QUESTION, tools: { weather }, stopWhen: isStepCount(3) });
    assert.equal(await streamed.text, "It is 21 degrees in Paris");
  });
}

async function imagesAndSchemas() {
  const schema = z.object({ city: z.string(), degrees: z.number() });
  await each(async (model) => {
    const content = [{ type: "text", text: "look" }, { type: "file", data: PIXEL, mediaType: "image/png" }];
    assert.equal((await generateText({ model, messages: [{ role: "user", content }] })).text, "I see an image");
    const { output } = await generateText({ model, prompt: QUESTION, output: Output.object({ schema }) });
    assert.deepEqual(output, { city: "Paris", degrees: 21 });
  });
  const { embeddings } = await embedMany({ model: gateway.textEmbeddingModel("embedder"), values: ["a", "b"] });
  assert.deepEqual(embeddings, [[0.5, 0.25], [0.5, 0.25]]);
}

async function errorsAreApiCallErrors() {
  for (const of of Object.values(faces)) {
    for (const [id, status] of [["nobody", 404], ["strict", 400], ["limited", 429], ["broken", 502], ["slow", 504]]) {
      const failed = (error) => APICallError.isInstance(error) && error.statusCode === status && error.message.length > 5;
      await assert.rejects(generateText({ model: of(id), prompt: QUESTION, maxRetries: 0 }), failed, id);
      const errors = [];
      const streamed = streamText({ model: of(id), prompt: QUESTION, maxRetries: 0, onError: ({ error }) => errors.push(error) });
      await streamed.consumeStream();
      assert.ok(errors.length === 1 && failed(errors[0]), `${id}: ${errors}`);
    }
  }
}

async function aStreamCutShortIsAnError() {
  for (const of of Object.values(faces)) {
    const errors = [];
    let said = "";
    const streamed = streamText({ model: of("cut"), prompt: QUESTION, maxRetries: 0, onError: ({ error }) => errors.push(error) });
    for await (const part of streamed.fullStream) if (part.type === "text-delta") said += part.text;
    assert.equal(said, "Hello there");
    assert.equal(errors.length, 1, `${errors}`);
  }
}

await run("ai", [textWholeAndStreamed, toolsThereAndBack, imagesAndSchemas, errorsAreApiCallErrors, aStreamCutShortIsAnError]);
