/** How the answers of each kind of problem are shown. */

import { NO_KNOWN_WORD, number, percent, plural, row, word } from "./page.js";
import { MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS, isTagged, kindOf, kindsOf } from "./problem.js";
import { tagWords } from "./words.js";

/** What each word does is found by scoring the text once a word: seconds for a text much longer than this. */
const MAX_EXPLAINED_WORDS = 100;
const MAX_TAGGED_WORDS = 1000;
const SPOKEN_EFFECTS = 3;
const SPOKEN_TAGS = 10;
const NO_LABEL = "No label";

/**
 * @param problem What `readProblem` returns.
 * @returns What shows answers, which are those of classifier.js.
 *   Of one text: `verdict(answer)`, two texts, of which the first is strong; `bars(answer)`, items of the list below it;
 *   `words(pieces)`, the words of a text of up to `maxWords`, with a `heading` above them and `fillLegend(element,
 *   answer)` below; `spoken(pieces)`, the most important of them.
 *   Of many texts: `headers` of the table behind the text, `cells(answers)` of each text and what they are sorted by,
 *   `keys(answer)`, and `summary(answers)`.
 */
export const makeView = (problem) => VIEWS[problem.type](problem);

const VIEWS = {
  [SINGLE_LABEL]: ({ labels }) => ({
    ...effectsInLogOdds(labels),
    verdict: ({ labels: [label], score }) => [label, percent(score)],
    bars: ({ scores, index: chosen }) =>
      ranked(labels, scores).map(({ label, score, index }) => bar(label, score, index === chosen)),
    headers: ["Label", "Probability"],
    cells: (answers) => answers.map(({ labels: [label], score }) => [label, percent(score)]),
    keys: ({ labels: [label], score }) => [label, score],
    summary: labelShares,
  }),

  [MULTI_LABEL]: ({ labels, thresholds }) => ({
    ...effectsInLogOdds(labels),
    verdict: (answer) => [listLabels(answer), ""],
    bars: ({ scores }) =>
      ranked(labels, scores).map(({ label, score, index }) => {
        const isChosen = score > thresholds[index];
        const item = bar(isChosen ? `✓ ${label}` : label, score, isChosen);
        item.style.setProperty("--threshold", `${100 * thresholds[index]}%`);
        return item;
      }),
    headers: ["Labels", "Highest probability"],
    cells: (answers) => answers.map((answer) => [listLabels(answer), percent(answer.score)]),
    keys: (answer) => [listLabels(answer), answer.score],
    summary: labelShares,
  }),

  [REGRESSION]: ({ labels }) => ({
    ...effectsInNumbers(labels),
    verdict: ({ score }) => [number(score), labels[0]],
    bars: ({ scores }) => (labels.length > 1 ? scores.map((score, index) => row(labels[index], number(score))) : []),
    headers: labels,
    cells: (answers) => {
      const largest = labels.map((_, index) => Math.max(...answers.map(({ scores }) => Math.abs(scores[index]))));
      return answers.map(({ scores }) => scores.map((score, index) => number(score, largest[index])));
    },
    keys: ({ scores }) => scores,
    summary: (answers) => {
      const known = answers.filter(({ knownWords }) => knownWords);
      return known.length ? labels.map((label, index) => `${label}: ${meanAndRange(known, index)}`).join("; ") : NO_KNOWN_WORD;
    },
  }),

  [TOKENS]: ({ labels }) => {
    const kinds = kindsOf(labels);
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
      text: (text, { labels: tags }) => (tags.length > MAX_TAGGED_WORDS ? text : tagged(tagWords(text, tags))),
      headers: ["Mean probability"],
      cells: (answers) => answers.map(({ score }) => [percent(score)]),
      keys: ({ score }) => [score],
      summary: (answers) => {
        const known = answers.filter(({ knownWords }) => knownWords);
        const counts = countAll(known.flatMap(({ labels: tags }) => tags.filter(isTagged).map(kindOf)));
        return counts.map(([kind, words]) => `${kind}: ${plural(words, "word")}`).join(", ") || "No tagged word";
      },
    };
  },
};

const effectsInLogOdds = (labels) => ({
  ...effects(labels, "the log odds of ", "them", " +0.7 doubles the odds."),
  words: (pieces) => pieces.map((piece) => explainedWord(piece, inLogOdds, Math.max(1, largestEffect(pieces)))),
  spoken: (pieces) => strongest(pieces, inLogOdds),
});

/** Effects in the unit of the target, with two digits of the largest one. */
const effectsInNumbers = (labels) => ({
  ...effects(labels, "", "it", ""),
  words: (pieces) => {
    const [format, largest] = [inUnit(pieces), largestEffect(pieces)];
    return pieces.map((piece) => explainedWord(piece, format, largest));
  },
  spoken: (pieces) => strongest(pieces, inUnit(pieces)),
});

const effects = (labels, quantity, pronoun, unit) => ({
  maxWords: MAX_EXPLAINED_WORDS,
  heading: "Effect of each word",
  fillLegend: (element, { index }) => {
    element.querySelector(".quantity").textContent = quantity;
    element.querySelector("strong").textContent = labels[index];
    element.querySelector(".pronoun").textContent = pronoun;
    element.querySelector(".unit").textContent = unit;
  },
});

const largestEffect = (pieces) => Math.max(1e-6, ...pieces.map(({ effect = 0 }) => Math.abs(effect)));

const inLogOdds = (effect) => signed(effect, Math.abs(effect).toFixed(1));

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

/** A word on the color of its effect, with the effect below it. */
function explainedWord({ text, effect }, format, largest) {
  if (effect === undefined) return text;
  const note = format(effect);
  const strength = Math.round(80 * Math.sqrt(Math.abs(effect) / largest));
  return word(text, note, note && (effect > 0 ? "raises" : "lowers"), "--strength", `${strength}%`);
}

/** The labels of a text, the most probable one first. */
function ranked(labels, scores) {
  return labels.map((label, index) => ({ label, index, score: scores[index] })).sort((a, b) => b.score - a.score);
}

/** A label, its probability, and a line of that length between them. */
function bar(label, score, isChosen) {
  const item = row(label, percent(score));
  item.className = isChosen ? "chosen" : "other";
  const line = document.createElement("span");
  line.className = "line";
  line.style.setProperty("--share", `${100 * score}%`);
  item.firstChild.after(line);
  return item;
}

const listLabels = ({ labels }) => labels.join(", ") || NO_LABEL;

/** How many of the texts have each label, the most frequent one first. */
function labelShares(answers) {
  const names = answers.flatMap(({ labels, knownWords }) => {
    if (!knownWords) return [NO_KNOWN_WORD];
    return labels.length ? labels : [NO_LABEL];
  });
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
