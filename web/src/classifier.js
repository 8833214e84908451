/** The model, in a web worker of its own so that the page never waits for it. */

import { LogLevel, PreTrainedModel, PreTrainedTokenizer, env, softmax } from "@huggingface/transformers";
import * as Comlink from "comlink";

env.allowRemoteModels = false;
env.allowLocalModels = true;
// These two would keep the old model when the page is published with a new one; the browser's own cache does not.
env.useBrowserCache = false;
env.useWasmCache = false;
// Its default is a public server. Without one, onnxruntime-web takes the file that was built with the page.
env.backends.onnx.wasm.wasmPaths = undefined;
env.backends.onnx.wasm.numThreads = 1;
// It warns that it has no class of its own for this type of model, and needs none.
env.logLevel = LogLevel.ERROR;

let tokenizer;
let model;
let labels;

/**
 * @param {string} path Path on this server of the folder that holds `model/`, the saved folder.
 * @throws {Error} A file is missing or broken, or the model does not give one label of several.
 */
async function load(path) {
  env.localModelPath = path;
  tokenizer = await PreTrainedTokenizer.from_pretrained("model");
  model = await PreTrainedModel.from_pretrained("model", { dtype: "q8", device: "wasm" });
  const { id2label, problem_type: problem } = model.config;
  // transformers leaves the names of labels out of config.json where they are its default ones.
  labels = id2label ?? { 0: "LABEL_0", 1: "LABEL_1" };
  if (Object.keys(labels).length < 2 || (problem && problem !== "single_label_classification")) {
    throw new Error(`This page shows one label of several, but the model's problem_type is ${problem}.`);
  }
  await explain("the first run is slow", 5);
}

/** Returns for each of a batch of texts the probability of each label. */
async function probabilities(texts) {
  // JavaScript's lower case of a Greek capital sigma depends on its place in the word; that of the training doesn't.
  const inputs = tokenizer(
    texts.map((text) => text.replaceAll("Σ", "σ")),
    { padding: true },
  );
  const { logits } = await model(inputs);
  return logits.tolist().map(softmax);
}

/** Returns `{label, score}` of every label, the most probable one first. */
async function scores(text) {
  const [row] = await probabilities([text]);
  return row.map((score, index) => ({ label: labels[index], score })).sort((a, b) => b.score - a.score);
}

/**
 * Scores texts one by one: the int8 model rounds by what is largest in a batch, so a text's score would depend on those
 * beside it, and here a batch is no faster.
 *
 * @param {string[]} texts
 * @returns {Promise<{label: string, score: number}[]>} The most probable label of each text.
 */
async function classify(texts) {
  const results = [];
  for (const text of texts) {
    results.push((await scores(text))[0]);
  }
  return results;
}

/**
 * Scores a text, and what each of its words does: how much lower the probability of the text's label is when `[UNK]`
 * stands in place of the word. All these variants, and the text itself to compare with, are one batch.
 *
 * @param {string} text
 * @param {number} maxWords Of a text with more words than this, none is replaced.
 * @returns {Promise<{scores: {label: string, score: number}[], pieces: {text: string, effect?: number}[]}>}
 *   Every label, the most probable one first; the text cut into words and the spaces between them. Only a word that was
 *   replaced has an effect.
 */
async function explain(text, maxWords) {
  const all = await scores(text);
  const pieces = text.split(/(\p{White_Space}+)/u).map((piece) => ({ text: piece }));
  const words = pieces.filter((piece, index) => index % 2 === 0 && piece.text);
  if (words.length > 0 && words.length <= maxWords) {
    const without = (word) => pieces.map((piece) => (piece === word ? tokenizer.unk_token : piece.text)).join("");
    const [whole, ...variants] = await probabilities([text, ...words.map(without)]);
    const best = Object.keys(labels).find((index) => labels[index] === all[0].label);
    words.forEach((word, index) => (word.effect = whole[best] - variants[index][best]));
  }
  return { scores: all, pieces };
}

Comlink.expose({ load, classify, explain });
