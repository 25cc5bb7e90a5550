// Answers pictures with an ONNX file in onnxruntime-web, as a browser does (WebAssembly, one thread).
//
//   node answer.js model.onnx cases.json
//
// cases.json: [{"file": raw bytes, "shape": [...]}, ...]. Prints a list of {output name: flat values}, one per case.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1;
const [model, cases] = process.argv.slice(2);
const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ["wasm"] });
const answers = [];
for (const { file, shape } of JSON.parse(readFileSync(cases, "utf-8"))) {
  const pixels = new ort.Tensor("uint8", new Uint8Array(readFileSync(file)), shape);
  const outputs = await session.run({ pixels });
  answers.push(Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, Array.from(value.data)])));
}
console.log(JSON.stringify(answers));
