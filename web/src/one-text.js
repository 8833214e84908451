/** The part of the page that scores a text while it is typed. */

import { classifier, loaded, percent } from "./client.js";

const SPEECH_DELAY_MS = 700;

const [input, answer, label, score, time, bars, words, legend, tooLong, spoken] = [
  "text", "answer", "label", "score", "time", "bars", "words", "legend", "too-long", "spoken",
].map((id) => document.getElementById(id));

let isScoring = false;
let speech;

input.addEventListener("input", update);
loaded.then(update, () => {});

/** Scores what stands in the box until nothing has changed in the meantime: one text at a time, the last one for sure. */
async function update() {
  if (isScoring) return;
  isScoring = true;
  await loaded;
  let text;
  do {
    text = input.value;
    const start = performance.now();
    show(await classifier.explain(text), performance.now() - start);
  } while (text !== input.value);
  isScoring = false;
}

function show({ scores, pieces }, milliseconds) {
  label.textContent = scores[0].label;
  score.textContent = percent(scores[0].score);
  time.textContent = `${Math.ceil(milliseconds)} ms`;
  bars.replaceChildren(...scores.map(bar));
  const explained = pieces.filter((piece) => piece.effect !== undefined);
  words.replaceChildren(...(explained.length ? pieces.map(word) : []));
  legend.hidden = explained.length === 0;
  legend.querySelector("strong").textContent = scores[0].label;
  tooLong.hidden = explained.length > 0 || !input.value.trim();
  answer.hidden = false;

  clearTimeout(speech);
  speech = setTimeout(() => (spoken.textContent = sentence(scores[0], explained)), SPEECH_DELAY_MS);
}

function bar({ label, score }) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = label;
  const line = document.createElement("span");
  line.className = "line";
  line.style.setProperty("--share", percent(score).replace(" ", ""));
  const share = document.createElement("span");
  share.textContent = percent(score);
  item.append(name, line, share);
  return item;
}

/** A word on the colour of its effect, with the effect below it in percentage points. */
function word({ text, effect }) {
  if (effect === undefined) return text;
  const element = document.createElement("ruby");
  element.className = effect > 0 ? "raises" : "lowers";
  element.style.setProperty("--strength", `${Math.round(60 * Math.sqrt(Math.abs(effect)))}%`);
  const note = document.createElement("rt");
  note.textContent = points(effect);
  element.append(text, note);
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
  const strongest = explained.filter(({ effect }) => points(effect)).sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
  const parts = strongest.slice(0, 3).map(({ text, effect }) => `${text} ${points(effect)}`);
  return `${label}, ${percent(score)}. ${parts.length ? `Words: ${parts.join(", ")}.` : ""}`;
}
