import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig } from "vite";

import { readAbout } from "./about.js";

const MODEL_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model_quantized.onnx"];

/** Puts what the page needs of a model directory into `model/` of the built page, and says in the page what it is. */
function modelDirectory(folder) {
  const { values, files } = readAbout(folder);
  return {
    name: "model-directory",
    generateBundle() {
      for (const file of MODEL_FILES) {
        this.emitFile({ type: "asset", fileName: `model/${file}`, source: readFileSync(join(folder, file)) });
      }
      Object.entries(files).forEach(([fileName, source]) => this.emitFile({ type: "asset", fileName, source }));
    },
    transformIndexHtml: (html) => html.replace(/%([A-Z_]+)%/g, (_, name) => values[name]),
  };
}

function readFolder() {
  if (!process.env.FOLDER) stop("FOLDER is not set: set it to the model directory that the page runs.");
  const folder = resolve(process.env.FOLDER);
  const missing = MODEL_FILES.map((file) => join(folder, file)).find((path) => !existsSync(path));
  if (missing) {
    stop(`${missing}: no such file. FOLDER must be a model directory with graphs. Run hf-brnn export ${folder}`);
  }
  return folder;
}

/** Ends the build without a trace of the bundler. */
function stop(problem) {
  console.error(problem);
  process.exit(1);
}

export default defineConfig({
  base: "./",
  // transformers.js asks for the runtime with WebGPU. This one runs on the CPU alone and is half its size.
  resolve: { alias: { "onnxruntime-web/webgpu": "onnxruntime-web/wasm" } },
  worker: { format: "es" },
  plugins: [modelDirectory(readFolder())],
});
