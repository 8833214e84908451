/** The part of the page that scores a text while it is typed. */

import { classifier, loaded } from "./client.js";
import { NO_KNOWN_WORD, attempt, grow } from "./page.js";
import { makeView } from "./views.js";

const SPEECH_DELAY_MS = 700;

const [
  input, problem, empty, answer, label, score, bars,
  heading, words, legend, noWords, time, spoken,
] = [
  "text", "text-problem", "empty", "answer", "label", "score", "bars",
  "words-heading", "words", "legend", "no-words", "time", "spoken",
].map((id) => document.getElementById(id));

let isScoring = false;
let speech;

input.addEventListener("input", update);
for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", () => {
    input.value = chip.textContent;
    update();
  });
}
grow(input);
loaded.then(update, () => {}); // main.js tells of a model that can't be loaded

/** Scores what stands in the box, one text at a time, until it has not changed in the meantime. */
async function update() {
  grow(input);
  if (isScoring) return;
  isScoring = true;
  answer.ariaBusy = "true";
  let text;
  do {
    text = input.value;
    await attempt(problem, async () => {
      const view = makeView(await loaded);
      const start = performance.now();
      const result = await classifier.explain(text, view.maxWords);
      const isEmpty = !text.trim();
      empty.hidden = !isEmpty;
      answer.hidden = isEmpty;
      if (isEmpty) say("The text is empty.");
      else show(view, result, performance.now() - start);
    });
  } while (text !== input.value);
  answer.ariaBusy = "false";
  isScoring = false;
}

function show(view, result, milliseconds) {
  const { pieces } = result;
  const isKnown = result.knownWords > 0;
  const verdict = isKnown ? view.verdict(result) : [NO_KNOWN_WORD, ""];
  [label.textContent, score.textContent] = verdict;
  bars.replaceChildren(...(isKnown ? view.bars(result) : []));

  const areMarked = isKnown && pieces.some(({ effect, tag }) => effect !== undefined || tag !== undefined);
  heading.textContent = isKnown ? view.heading : "";
  words.replaceChildren(...(areMarked ? view.words(pieces) : []));
  legend.hidden = !areMarked;
  view.fillLegend(legend, result);
  noWords.hidden = areMarked;
  noWords.textContent = isKnown
    ? `Shown for texts of up to ${view.maxWords.toLocaleString("en")} words.`
    : "The model knows none of these words, so it can't judge the text.";
  time.textContent = `Computed in this tab in ${Math.ceil(milliseconds)} ms`;

  const spokenWords = areMarked ? view.spoken(pieces) : [];
  say(`${verdict.filter(Boolean).join(", ")}.` + (spokenWords.length ? ` Words: ${spokenWords.join(", ")}.` : ""));
}

/** Says a sentence to a screen reader, when nothing was typed for a moment. */
function say(sentence) {
  clearTimeout(speech);
  speech = setTimeout(() => (spoken.textContent = sentence), SPEECH_DELAY_MS);
}
