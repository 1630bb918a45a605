// Runs the tests of one client program and says how each ended.
import { readFileSync } from "node:fs";

export const URL = process.env.POINTSMAN_URL;
export const KEY = process.env.POINTSMAN_KEY;
export const HELPERS = ["helper-openai", "helper-anthropic", "helper-gemini", "helper-ollama"];
export const QUESTION = "What is the weather in Paris?";
// one transparent pixel
export const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

export async function run(name, tests) {
  let failed = 0;
  for (const test of tests) {
    try {
      await test();
      console.log(`ok   ${test.name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${test.name}`);
      console.log(error);
    }
  }
  const about = JSON.parse(readFileSync(new globalThis.URL(`node_modules/${name}/package.json`, import.meta.url)));
  console.log(`${name} ${about.version}`);
  console.log(`${tests.length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
