/** How the answers of each kind of problem are shown. */

import { number, percent, plural, row, word } from "./page.js";
import { MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS } from "./problem.js";
import { tagWords } from "./words.js";

/** What each word does is found by scoring the text once a word: seconds for a text much longer than this. */
const MAX_EXPLAINED_WORDS = 100;
const MAX_TAGGED_WORDS = 1000;
const SPOKEN_EFFECTS = 3;
const SPOKEN_TAGS = 10;
const NO_LABEL = "No label";
const OUTSIDE = "O";

/**
 * @param problem What `readProblem` returns.
 * @returns What shows answers, which are those of classifier.js.
 *   Of one text: `verdict(answer)`, two texts, of which the first is strong; `bars(answer)`, items of the list below it;
 *   `words(pieces)`, the words of a text of up to `maxWords`, with a `heading` above them and `fillLegend(element,
 *   answer)` below; `spoken(pieces)`, the most important of them.
 *   Of many texts: `headers` and `rows(texts, answers)` of the table, and `summary(answers)`.
 */
export const makeView = (problem) => VIEWS[problem.type](problem);

const VIEWS = {
  [SINGLE_LABEL]: ({ labels }) => ({
    ...effectsInPoints(labels),
    verdict: ({ labels: [label], score }) => [label, percent(score)],
    bars: ({ scores }) => ranked(labels, scores).map(({ label, score }) => bar(label, score)),
    headers: ["Text", "Label", "Probability"],
    rows: (texts, answers) => answers.map(({ labels: [label], score }, row) => [texts[row], label, percent(score)]),
    summary: labelShares,
  }),

  [MULTI_LABEL]: ({ labels, thresholds }) => ({
    ...effectsInPoints(labels),
    verdict: (answer) => [listLabels(answer), ""],
    bars: ({ scores }) =>
      ranked(labels, scores).map(({ label, score, index }) => {
        const item = bar(score > thresholds[index] ? `✓ ${label}` : label, score);
        item.className = score > thresholds[index] ? "chosen" : "other";
        item.style.setProperty("--threshold", `${100 * thresholds[index]}%`);
        return item;
      }),
    headers: ["Text", "Labels", "Highest probability"],
    rows: (texts, answers) =>
      answers.map((answer, row) => [texts[row], listLabels(answer), percent(answer.score)]),
    summary: labelShares,
  }),

  [REGRESSION]: ({ labels }) => ({
    ...effectsInNumbers(labels),
    verdict: ({ score }) => [number(score), labels[0]],
    bars: ({ scores }) => (labels.length > 1 ? scores.map((score, index) => row(labels[index], number(score))) : []),
    headers: ["Text", ...labels],
    rows: (texts, answers) => {
      const largest = labels.map((_, index) => Math.max(...answers.map(({ scores }) => Math.abs(scores[index]))));
      return answers.map(({ scores }, row) => [texts[row], ...scores.map((score, index) => number(score, largest[index]))]);
    },
    summary: (answers) => labels.map((label, index) => `${label}: ${meanAndRange(answers, index)}`).join("; "),
  }),

  [TOKENS]: ({ labels }) => {
    const kinds = [...new Set(labels.filter((tag) => tag !== OUTSIDE).map(kindOf))];
    const isTagged = (tag) => tag !== undefined && tag !== OUTSIDE;
    const colored = (text, note, kind) =>
      word(text, note, "tagged", "--hue", 260 + (360 * kinds.indexOf(kind)) / kinds.length);
    const tagged = (pieces) => pieces.map(({ text, tag }) => (isTagged(tag) ? colored(text, tag, kindOf(tag)) : text));
    return {
      maxWords: MAX_TAGGED_WORDS,
      heading: "Tag of each word",
      fillLegend: (element) => element.replaceChildren(...kinds.map((kind) => colored(kind, "", kind))),
      verdict: ({ labels: tags }) => [`${tags.filter(isTagged).length} of ${tags.length} words tagged`, ""],
      bars: () => [],
      words: tagged,
      spoken: (pieces) =>
        pieces
          .filter(({ tag }) => isTagged(tag))
          .slice(0, SPOKEN_TAGS)
          .map(({ text, tag }) => `${text} ${tag}`),
      headers: ["Text", "Mean probability"],
      rows: (texts, answers) =>
        answers.map(({ labels: tags, score }, row) => [
          tags.length > MAX_TAGGED_WORDS ? texts[row] : tagged(tagWords(texts[row], tags)),
          percent(score),
        ]),
      summary: (answers) => {
        const counts = countAll(answers.flatMap(({ labels: tags }) => tags.filter(isTagged).map(kindOf)));
        return counts.map(([kind, words]) => `${kind}: ${plural(words, "word")}`).join(", ") || "No tagged word";
      },
    };
  },
};

const effectsInPoints = (labels) => ({
  ...effects(labels, "the probability of ", "many percentage points"),
  words: (pieces) => pieces.map((piece) => explainedWord(piece, inPoints, 1)),
  spoken: (pieces) => strongest(pieces, inPoints),
});

/** Effects in the unit of the target, with two digits of the largest one. */
const effectsInNumbers = (labels) => ({
  ...effects(labels, "", "much"),
  words: (pieces) => {
    const [format, largest] = [inUnit(pieces), largestEffect(pieces)];
    return pieces.map((piece) => explainedWord(piece, format, largest));
  },
  spoken: (pieces) => strongest(pieces, inUnit(pieces)),
});

const effects = (labels, quantity, unit) => ({
  maxWords: MAX_EXPLAINED_WORDS,
  heading: "Effect of each word",
  fillLegend: (element, { index }) => {
    element.querySelector(".quantity").textContent = quantity;
    element.querySelector("strong").textContent = labels[index];
    element.querySelector(".unit").textContent = unit;
  },
});

const largestEffect = (pieces) => Math.max(1e-6, ...pieces.map(({ effect = 0 }) => Math.abs(effect)));

const inPoints = (effect) => signed(effect, (100 * Math.abs(effect)).toFixed(0));

function inUnit(pieces) {
  const largest = largestEffect(pieces);
  return (effect) => signed(effect, number(Math.abs(effect), largest, 2));
}

/** Returns a number with its sign; nothing where it rounds to 0. */
const signed = (effect, digits) => (/[1-9]/.test(digits) ? `${effect > 0 ? "+" : "−"}${digits}` : "");

function strongest(pieces, format) {
  return pieces
    .filter(({ effect }) => effect !== undefined && format(effect))
    .sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect))
    .slice(0, SPOKEN_EFFECTS)
    .map(({ text, effect }) => `${text} ${format(effect)}`);
}

/** A word on the colour of its effect, with the effect below it. */
function explainedWord({ text, effect }, format, largest) {
  if (effect === undefined) return text;
  const note = format(effect);
  const strength = Math.round(80 * Math.sqrt(Math.abs(effect) / largest));
  return word(text, note, note && (effect > 0 ? "raises" : "lowers"), "--strength", `${strength}%`);
}

/** The kind of entity of a tag such as B-PER or I-PER. */
const kindOf = (tag) => tag.replace(/^[BIESLU]-/, "");

/** The labels of a text, the most probable one first. */
function ranked(labels, scores) {
  return labels.map((label, index) => ({ label, index, score: scores[index] })).sort((a, b) => b.score - a.score);
}

/** A label, its probability, and a line of that length between them. */
function bar(label, score) {
  const item = row(label, percent(score));
  const line = document.createElement("span");
  line.className = "line";
  line.style.setProperty("--share", `${100 * score}%`);
  item.firstChild.after(line);
  return item;
}

const listLabels = ({ labels }) => labels.join(", ") || NO_LABEL;

/** How many of the texts have each label, the most frequent one first. */
function labelShares(answers) {
  const names = answers.flatMap(({ labels }) => (labels.length ? labels : [NO_LABEL]));
  return countAll(names)
    .map(([label, texts]) => `${label}: ${texts.toLocaleString("en")} (${percent(texts / answers.length)})`)
    .join(", ");
}

function meanAndRange(answers, index) {
  const values = answers.map(({ scores }) => scores[index]).sort((a, b) => a - b);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return `mean ${number(mean)}, from ${number(values[0])} to ${number(values.at(-1))}`;
}

/** Returns `[name, number]` of the different names, the most frequent one first. */
function countAll(names) {
  const counts = new Map();
  names.forEach((name) => counts.set(name, (counts.get(name) ?? 0) + 1));
  return [...counts].sort((a, b) => b[1] - a[1]);
}
