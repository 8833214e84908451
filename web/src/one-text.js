/** The part of the page that scores a text while it is typed. */

import { classifier, loaded } from "./client.js";
import { attempt } from "./page.js";
import { makeView } from "./views.js";

const SPEECH_DELAY_MS = 700;
const NO_KNOWN_WORD = "No known word";

const [
  input, problem, answer, label, score, time, bars,
  heading, words, legend, noWords, spoken,
] = [
  "text", "text-problem", "answer", "label", "score", "time", "bars",
  "words-heading", "words", "legend", "no-words", "spoken",
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
      const view = makeView(await loaded);
      const start = performance.now();
      show(view, await classifier.explain(text, view.maxWords), performance.now() - start);
    });
  } while (text !== input.value);
  answer.ariaBusy = "false";
  isScoring = false;
}

function show(view, result, milliseconds) {
  const isKnown = result.knownWords > 0;
  const verdict = isKnown ? view.verdict(result) : [NO_KNOWN_WORD, ""];
  [label.textContent, score.textContent] = verdict;
  time.textContent = `${Math.ceil(milliseconds)} ms`;
  bars.replaceChildren(...(isKnown ? view.bars(result) : []));

  const { pieces } = result;
  const areMarked = isKnown && pieces.some(({ effect, tag }) => effect !== undefined || tag !== undefined);
  heading.textContent = view.heading;
  words.replaceChildren(...(areMarked ? view.words(pieces) : []));
  legend.hidden = !areMarked;
  view.fillLegend(legend, result);
  noWords.hidden = areMarked;
  noWords.textContent = noWordsText(pieces, isKnown, view.maxWords);
  answer.hidden = false;

  const spokenWords = areMarked ? view.spoken(pieces) : [];
  const sentence = `${verdict.filter(Boolean).join(", ")}.` + (spokenWords.length ? ` Words: ${spokenWords.join(", ")}.` : "");
  clearTimeout(speech);
  speech = setTimeout(() => (spoken.textContent = sentence), SPEECH_DELAY_MS);
}

function noWordsText(pieces, isKnown, maxWords) {
  if (!pieces.some(({ text }) => text.trim())) return "The text has no words.";
  return isKnown
    ? `Shown for texts of up to ${maxWords.toLocaleString("en")} words.`
    : "The model knows none of these words, so it can't judge the text.";
}
