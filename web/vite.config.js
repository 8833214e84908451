import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { defineConfig } from "vite";

const MODEL_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model_quantized.onnx"];

/** Puts what the page needs of a saved folder into `model/` of the built page. */
function savedFolder(folder) {
  return {
    name: "saved-folder",
    generateBundle() {
      for (const file of MODEL_FILES) {
        const path = join(folder, file);
        if (!existsSync(path)) {
          this.error(`${path}: no such file. FOLDER must be a saved folder; scripts/export_onnx.py writes its graphs.`);
        }
        this.emitFile({ type: "asset", fileName: `model/${file}`, source: readFileSync(path) });
      }
    },
    transformIndexHtml: (html) => html.replaceAll("%MODEL_NAME%", basename(folder)),
  };
}

const folder = process.env.FOLDER;
if (!folder) {
  throw new Error("FOLDER is not set: give the saved folder whose model the page runs.");
}

export default defineConfig({
  base: "./",
  // transformers.js asks for the runtime with WebGPU. This one runs on the CPU alone and is half its size.
  resolve: { alias: { "onnxruntime-web/webgpu": "onnxruntime-web/wasm" } },
  worker: { format: "es" },
  plugins: [savedFolder(resolve(folder))],
});
