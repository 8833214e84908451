/**
 * The kinds of problems that a model solves, and the columns that scoring adds to a file. hf_brnn/data/problem_type.py
 * and hf_brnn/inference/score_files.py follow the same rules.
 */

export const SINGLE_LABEL = "single_label_classification";
export const MULTI_LABEL = "multi_label_classification";
export const REGRESSION = "regression";
export const TOKENS = "token_classification";
const PROBLEM_TYPES = [SINGLE_LABEL, MULTI_LABEL, REGRESSION, TOKENS];

/** The tag of words that are left plain. */
const OUTSIDE = "O";
const MAX_NAMES_IN_QUESTION = 6;

/**
 * Reads a config.json.
 *
 * @returns {{type: string, labels: string[], thresholds: number[], columns: string[]}}
 *   The kind of problem; the names of the labels, targets or tags; the thresholds of the labels; the columns.
 * @throws {Error} The kind is none of the four.
 */
export function readProblem({ architectures, problem_type, id2label, thresholds }) {
  // transformers leaves the names of labels out of config.json where they are its default ones.
  const labels = Object.values(id2label ?? { 0: "LABEL_0", 1: "LABEL_1" });
  const isOfTokens = architectures?.includes("BrnnForTokenClassification");
  const type = isOfTokens ? TOKENS : (problem_type ?? (labels.length === 1 ? REGRESSION : SINGLE_LABEL));
  if (!PROBLEM_TYPES.includes(type)) {
    throw new Error(`problem_type in config.json is ${type}, expected one of ${PROBLEM_TYPES.join(", ")}. Restore config.json.`);
  }
  return {
    type,
    labels,
    thresholds: thresholds ?? labels.map(() => (type === MULTI_LABEL ? 0.5 : 1)),
    columns: addedColumns(type, labels),
  };
}

function addedColumns(type, labels) {
  if (type !== REGRESSION) return ["label", "score"];
  return labels.length === 1 ? ["score"] : labels.map((name) => `score_${name}`);
}

/** Returns the fields of a text in these columns. */
export function addedFields({ labels, score, scores }, { type }) {
  return type === REGRESSION ? scores : [labels.join(type === TOKENS ? " " : "|"), score];
}

export const isTagged = (tag) => tag !== undefined && tag !== OUTSIDE;

/** The kind of entity of a tag such as B-PER or I-PER. */
export const kindOf = (tag) => tag.replace(/^[BIESLU]-/, "");

/** Returns the kinds of entities of some tags. */
export const kindsOf = (tags) => [...new Set(tags.filter(isTagged).map(kindOf))];

/** Returns the question that a model answers. */
export function question({ type, labels }) {
  const names = type === TOKENS ? kindsOf(labels) : labels;
  const isShort = names.length <= MAX_NAMES_IN_QUESTION;
  const list = (word) => [names.slice(0, -1).join(", "), names.at(-1)].filter(Boolean).join(` ${word} `);
  if (type === REGRESSION) return isShort ? `What ${list("and")} does a text have?` : `Which ${names.length} numbers fit a text?`;
  if (type === TOKENS) return isShort ? `Which words are ${list("or")}?` : `Which of ${names.length} tags fits each word?`;
  if (type === MULTI_LABEL) return isShort ? `Which labels fit: ${list("or")}?` : `Which of ${names.length} labels fit a text?`;
  return isShort ? `Is a text ${list("or")}?` : `Which of ${names.length} labels fits a text?`;
}
