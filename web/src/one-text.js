/** The part of the page that scores a text while it is typed. */

import { classifier, loaded } from "./client.js";
import { attempt, percent } from "./page.js";

/** What each word does is found by scoring the text once a word: seconds for a text much longer than this. */
const MAX_EXPLAINED_WORDS = 100;
const SPEECH_DELAY_MS = 700;
const NO_KNOWN_WORD = "No known word";

const [input, problem, answer, label, score, time, bars, words, legend, noWords, spoken] = [
  "text", "text-problem", "answer", "label", "score", "time", "bars", "words", "legend", "no-words", "spoken",
].map((id) => document.getElementById(id));

let isScoring = false;
let speech;

input.addEventListener("input", update);
loaded.then(update, () => {}); // main.js tells of a model that can't be loaded

/** Scores what stands in the box, one text at a time, until it has not changed in the meantime. */
async function update() {
  if (isScoring) return;
  isScoring = true;
  answer.ariaBusy = "true";
  let text;
  do {
    text = input.value;
    await attempt(problem, async () => {
      await loaded;
      const start = performance.now();
      show(await classifier.explain(text, MAX_EXPLAINED_WORDS), performance.now() - start);
    });
  } while (text !== input.value);
  answer.ariaBusy = "false";
  isScoring = false;
}

function show(result, milliseconds) {
  const isKnown = result.knownWords > 0;
  label.textContent = isKnown ? result.label : NO_KNOWN_WORD;
  score.textContent = isKnown ? percent(result.score) : "";
  time.textContent = `${Math.ceil(milliseconds)} ms`;
  bars.replaceChildren(...(isKnown ? result.scores.map(bar) : []));

  const { pieces } = result;
  const explained = isKnown ? pieces.filter(({ effect }) => effect !== undefined) : [];
  words.replaceChildren(...(explained.length ? pieces.map(word) : []));
  legend.hidden = explained.length === 0;
  legend.querySelector("strong").textContent = result.label;
  noWords.hidden = explained.length > 0;
  noWords.textContent = noWordsText(pieces, isKnown);
  answer.hidden = false;

  clearTimeout(speech);
  speech = setTimeout(() => (spoken.textContent = isKnown ? sentence(result, explained) : `${NO_KNOWN_WORD}.`), SPEECH_DELAY_MS);
}

function noWordsText(pieces, isKnown) {
  if (!pieces.some(({ text }) => text.trim())) return "The text has no words.";
  return isKnown
    ? `Shown for texts of up to ${MAX_EXPLAINED_WORDS} words.`
    : "The model knows none of these words, so it can't label the text.";
}

function bar({ label, score }) {
  const item = document.createElement("li");
  child(item, "span", label);
  child(item, "span", "", "line").style.setProperty("--share", `${100 * score}%`);
  child(item, "span", percent(score));
  return item;
}

/** A word on the colour of its effect, with the effect below it in percentage points. */
function word({ text, effect }) {
  if (effect === undefined) return text;
  const element = document.createElement("span");
  element.className = "word";
  const note = points(effect);
  const base = child(element, "span", text, note && (effect > 0 ? "raises" : "lowers"));
  base.style.setProperty("--strength", `${Math.round(80 * Math.sqrt(Math.abs(effect)))}%`);
  child(element, "small", note);
  return element;
}

function child(parent, name, text, className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = className;
  parent.append(element);
  return element;
}

/** Percentage points with their sign; nothing where they round to none. */
function points(effect) {
  const rounded = Math.round(100 * effect);
  if (rounded === 0) return "";
  return rounded > 0 ? `+${rounded}` : `−${-rounded}`;
}

/** What a screen reader says of the answer: the label and the three words that did most. */
function sentence({ label, score }, explained) {
  const strongest = explained
    .filter(({ effect }) => points(effect))
    .sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect))
    .slice(0, 3)
    .map(({ text, effect }) => `${text} ${points(effect)}`);
  return `${label}, ${percent(score)}.` + (strongest.length ? ` Words: ${strongest.join(", ")}.` : "");
}
