/** What words are: hf_brnn/inference/explain.py and hf_brnn/data/known_words.py follow the same rules. */

const WHITE_SPACE = /(\p{White_Space}+)/u;
/** What Python's `str.split` splits at. */
// eslint-disable-next-line no-control-regex
const PYTHON_WHITE_SPACE = /([\p{White_Space}\x1c-\x1f]+)/u;
/** A character that Unicode reserves for programs: no vocabulary has it, so that it becomes the unknown token. */
export const UNKNOWN_WORD = "\ufdd0";
const PLACEHOLDERS = ["<user>", "<url>", "[PAD]"];
/** A punctuation mark or an ASCII symbol. */
const PUNCTUATION = /^(?:\p{P}|[!-/:-@[-`{-~]|[!?]+)$/u;

/**
 * Splits a text at white space.
 *
 * @param {string} text
 * @returns {{text: string, isWord: boolean}[]} The parts in order. Joined, they are the text.
 */
export function splitWords(text) {
  return split(text, WHITE_SPACE);
}

/** Splits a text into the words that token classification tags. Returns parts as `splitWords` does. */
export function splitTaggedWords(text) {
  return split(text, PYTHON_WHITE_SPACE);
}

function split(text, separator) {
  return text
    .split(separator)
    .map((piece, index) => ({ text: piece, isWord: index % 2 === 0 }))
    .filter((part) => part.text);
}

/**
 * Returns the parts of a text with the tags of its words.
 *
 * @param {string} text
 * @param {string[]} tags
 * @returns {{text: string, tag?: string}[]}
 */
export function tagWords(text, tags) {
  let words = 0;
  return splitTaggedWords(text).map(({ text, isWord }) => (isWord ? { text, tag: tags[words++] } : { text }));
}

/**
 * Returns the share of the words of a text that the tokenizer knows; 0 for a text without words. Punctuation marks,
 * names and addresses are not words.
 *
 * @param {string[]} tokens The tokens of the text.
 * @param {(token: string) => boolean} isKnown
 */
export function knownWordShare(tokens, isKnown) {
  const words = tokens.filter(
    (token) => !isKnown(token) || !(PLACEHOLDERS.includes(token) || PUNCTUATION.test(token)),
  );
  return words.filter(isKnown).length / Math.max(words.length, 1);
}
