/** The model, in a web worker so that the page never waits for it. */

import { LogLevel, PreTrainedModel, PreTrainedTokenizer, Tensor, env, softmax } from "@huggingface/transformers";
import * as Comlink from "comlink";

import { MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS, readProblem } from "./problem.js";
import { UNKNOWN_WORD, knownWordShare, splitTaggedWords, splitWords, tagWords } from "./words.js";

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
let problem;

/**
 * @param {string} path Path on this server of the folder that holds `model/`, the model directory.
 * @returns The problem that the model solves, as `readProblem` returns it.
 * @throws {Error} A file is missing or broken, or the problem is unknown.
 */
async function load(path) {
  env.localModelPath = path;
  tokenizer = await PreTrainedTokenizer.from_pretrained("model");
  model = await PreTrainedModel.from_pretrained("model", { dtype: "q8", device: "wasm" });
  problem = readProblem(model.config);
  await explain("the first run is slow", 5);
  return problem;
}

/** JavaScript's lower case of a Greek capital sigma depends on its place in the word; that of the training doesn't. */
function normalized(text) {
  return text.replaceAll("Σ", "σ");
}

/** Returns the token ids of the words that token classification tags. A word without tokens counts as an unknown one. */
function wordIds(text) {
  const words = splitTaggedWords(normalized(text)).filter(({ isWord }) => isWord);
  if (words.length === 0) return [];
  const { input_ids } = tokenizer(words.map((word) => word.text), { return_tensor: false });
  return input_ids.map((ids) => (ids.length ? ids : [tokenizer.unk_token_id ?? tokenizer.pad_token_id]));
}

/** Returns the logits of a text, one a label: a single row, or for token classification one row a word. */
async function logitRows(text) {
  if (problem.type !== TOKENS) {
    const { logits } = await model(tokenizer([normalized(text)], { padding: true }));
    return logits.tolist();
  }
  const words = wordIds(text);
  if (words.length === 0) return [];
  const ids = words.flat();
  const tensor = (values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
  const { logits } = await model({ input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)) });
  const [rows] = logits.tolist();
  let next = 0;
  return words.map(({ length }) => rows[(next += length) - length]);
}

/** Returns the scores of logits. hf_brnn/evaluation/activation.py follows the same rule. */
function activate(logits) {
  if (problem.type === REGRESSION) return logits;
  return problem.type === MULTI_LABEL ? logits.map((logit) => 1 / (1 + Math.exp(-logit))) : softmax(logits);
}

/**
 * Returns the log odds of a label, given the logits of all; the number itself for a regression.
 * hf_brnn/inference/explain.py follows the same rule.
 */
function logOdds(logits, index) {
  if (problem.type !== SINGLE_LABEL) return logits[index];
  const others = logits.filter((_, each) => each !== index);
  const largest = Math.max(...others);
  return logits[index] - largest - Math.log(others.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
}

const indexOfLargest = (values) => values.indexOf(Math.max(...values));

/**
 * Returns what the logits of a text say. hf_brnn/evaluation/thresholds.py and hf_brnn/inference/score_files.py follow the
 * same rules.
 *
 * @returns {{labels: string[], score: number, scores: number[], index: number}}
 *   The label, the labels, or the tags of the words; the probability of the label, of the most probable label, the mean
 *   of those of the tags, or the first number; for whole texts the scores of all labels, and which of them `score` is.
 */
function choose(logits) {
  const { type, labels, thresholds } = problem;
  const rows = logits.map(activate);
  const best = rows.map((scores) => indexOfLargest(scores.map((score, index) => score / thresholds[index])));
  if (type === TOKENS) {
    const total = rows.reduce((sum, scores) => sum + Math.max(...scores), 0);
    return { labels: best.map((index) => labels[index]), score: total / Math.max(rows.length, 1) };
  }
  const [scores] = rows;
  if (type === REGRESSION) return { labels: [], score: scores[0], scores, index: 0 };
  if (type === MULTI_LABEL) {
    const index = indexOfLargest(scores);
    return { labels: labels.filter((_, each) => scores[each] > thresholds[each]), score: scores[index], scores, index };
  }
  return { labels: [labels[best[0]]], score: scores[best[0]], scores, index: best[0] };
}

/** Returns the share of the words of a text that the model knows. */
function knownWords(text) {
  const isKnown = (token) => ![undefined, tokenizer.unk_token_id].includes(tokenizer.convert_tokens_to_ids(token));
  return knownWordShare(tokenizer.tokenize(normalized(text)), isKnown);
}

/**
 * Scores texts one by one: the int8 model rounds by the largest value of a batch, so a score would depend on the other
 * texts, and a batch is not faster here.
 *
 * @param {string[]} texts
 * @returns What `choose` returns, of each text, with the share of the words that the model knows in `knownWords`.
 */
async function classify(texts) {
  const answers = [];
  for (const text of texts) {
    answers.push({ ...choose(await logitRows(text)), knownWords: knownWords(text) });
  }
  return answers;
}

/**
 * Scores a text, and the effect of each of its words: the log odds of the label (or the number of a regression) minus
 * those of the text with an unknown word in place of the word. Each variant is scored alone, as in `classify`. For token
 * classification, words have their tag instead.
 *
 * @param {string} text
 * @param {number} maxWords Words of a longer text have neither.
 * @returns What `classify` returns of the text, and in `pieces` the text cut into words and white space:
 *   `{text: string, effect?: number, tag?: string}[]`.
 */
async function explain(text, maxWords) {
  const logits = await logitRows(text);
  const answer = { ...choose(logits), knownWords: knownWords(text) };
  const parts = splitWords(text);
  let pieces = parts.map((part) => ({ text: part.text }));
  if (parts.filter((part) => part.isWord).length <= maxWords) {
    pieces = problem.type === TOKENS ? tagWords(text, answer.labels) : await explainWords(parts, logits[0], answer.index);
  }
  return { ...answer, pieces };
}

async function explainWords(parts, logits, index) {
  const whole = logOdds(logits, index);
  const pieces = [];
  for (const part of parts) {
    const piece = { text: part.text };
    if (part.isWord) {
      const variant = parts.map((other) => (other === part ? UNKNOWN_WORD : other.text)).join("");
      const [without] = await logitRows(variant);
      piece.effect = whole - logOdds(without, index);
    }
    pieces.push(piece);
  }
  return pieces;
}

Comlink.expose({ load, classify, explain });
