import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { defineConfig } from "vite";

import { TOKENS, readProblem } from "./src/problem.js";

const MODEL_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model_quantized.onnx"];

/** Puts what the page needs of a model directory into `model/` of the built page. */
function savedFolder(folder) {
  return {
    name: "model-directory",
    generateBundle() {
      for (const file of MODEL_FILES) {
        const path = join(folder, file);
        if (!existsSync(path)) {
          this.error(`${path}: no such file. FOLDER must be a model directory with graphs. Run hf-brnn export FOLDER.`);
        }
        this.emitFile({ type: "asset", fileName: `model/${file}`, source: readFileSync(path) });
      }
    },
    transformIndexHtml: (html) => html.replaceAll("%MODEL_NAME%", basename(folder)).replace("%EXAMPLE%", example(folder)),
  };
}

function example(folder) {
  const { type } = readProblem(JSON.parse(readFileSync(join(folder, "config.json"))));
  return type === TOKENS ? "Ada Brown flew from Paris to New York with Air France" : "I do not recommend this product";
}

const folder = process.env.FOLDER;
if (!folder) {
  throw new Error("FOLDER is not set: set it to the model directory that the page runs.");
}

export default defineConfig({
  base: "./",
  // transformers.js asks for the runtime with WebGPU. This one runs on the CPU alone and is half its size.
  resolve: { alias: { "onnxruntime-web/webgpu": "onnxruntime-web/wasm" } },
  worker: { format: "es" },
  plugins: [savedFolder(resolve(folder))],
});
