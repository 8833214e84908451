/** The model, in a web worker so that the page never waits for it. */

import { LogLevel, PreTrainedModel, PreTrainedTokenizer, env, softmax } from "@huggingface/transformers";
import * as Comlink from "comlink";

import { knownWordShare, splitWords } from "./words.js";

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
let thresholds;

/**
 * @param {string} path Path on this server of the folder that holds `model/`, the model directory.
 * @throws {Error} A file is missing or broken, or the model is not for one label out of several.
 */
async function load(path) {
  env.localModelPath = path;
  tokenizer = await PreTrainedTokenizer.from_pretrained("model");
  model = await PreTrainedModel.from_pretrained("model", { dtype: "q8", device: "wasm" });
  const { id2label, problem_type: problem } = model.config;
  ({ thresholds } = model.config);
  // transformers leaves the names of labels out of config.json where they are its default ones.
  labels = id2label ?? { 0: "LABEL_0", 1: "LABEL_1" };
  if (Object.keys(labels).length < 2 || (problem && problem !== "single_label_classification")) {
    throw new Error(`The problem_type of the model is ${problem}, expected single_label_classification with two or more labels.`);
  }
  await explain("the first run is slow", 5);
}

/** JavaScript's lower case of a Greek capital sigma depends on its place in the word; that of the training doesn't. */
function normalized(text) {
  return text.replaceAll("Σ", "σ");
}

/** Returns for each of a batch of texts the probability of each label. */
async function probabilities(texts) {
  const inputs = tokenizer(texts.map(normalized), { padding: true });
  const { logits } = await model(inputs);
  return logits.tolist().map(softmax);
}

/** Returns `{index, label, score}` of every label, the most probable one first. */
async function scores(text) {
  const [row] = await probabilities([text]);
  return row.map((score, index) => ({ index, label: labels[index], score })).sort((a, b) => b.score - a.score);
}

/**
 * The label of a text, from its scores: the one whose probability, divided by its threshold, is the largest. Without
 * thresholds, that is the most probable one. hf_brnn/evaluation/thresholds.py follows the same rule.
 */
function choose(all) {
  const scaled = ({ index, score }) => score / (thresholds ? thresholds[index] : 1);
  return all.reduce((best, other) => (scaled(other) > scaled(best) ? other : best));
}

/**
 * Scores texts one by one: the int8 model rounds by the largest value of a batch, so a score would depend on the other
 * texts, and a batch is not faster here.
 *
 * @param {string[]} texts
 * @returns {Promise<{label: string, score: number}[]>} The label of each text, and its probability.
 */
async function classify(texts) {
  const results = [];
  for (const text of texts) {
    const { label, score } = choose(await scores(text));
    results.push({ label, score });
  }
  return results;
}

/**
 * Scores a text, and the effect of each of its words: the probability of the text's label minus that of the text with
 * `[UNK]` in place of the word. Each variant is scored alone, as in `classify`.
 *
 * @param {string} text
 * @param {number} maxWords Words of a longer text have no effect.
 * @returns {Promise<{label: string, score: number, scores: {label: string, score: number}[], knownWords: number,
 *   pieces: {text: string, effect?: number}[]}>}
 *   The label; every label, the most probable one first; the share of the words that the model knows; the text cut into
 *   words and white space.
 */
async function explain(text, maxWords) {
  const all = await scores(text);
  const chosen = choose(all);
  const parts = splitWords(text);
  const pieces = parts.map((part) => ({ text: part.text }));
  const words = parts.filter((part) => part.isWord).length;
  if (words <= maxWords) {
    for (const [index, part] of parts.entries()) {
      if (part.isWord) {
        const variant = parts.map((other) => (other === part ? tokenizer.unk_token : other.text)).join("");
        pieces[index].effect = chosen.score - (await probabilities([variant]))[0][chosen.index];
      }
    }
  }
  const isKnown = (token) => ![undefined, tokenizer.unk_token_id].includes(tokenizer.convert_tokens_to_ids(token));
  const knownWords = knownWordShare(tokenizer.tokenize(normalized(text)), isKnown);
  return { label: chosen.label, score: chosen.score, scores: all, knownWords, pieces };
}

Comlink.expose({ load, classify, explain });
