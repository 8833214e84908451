/** What words are: hf_brnn/inference/explain.py and hf_brnn/data/known_words.py follow the same rules. */

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
  return text
    .split(/(\p{White_Space}+)/u)
    .map((piece, index) => ({ text: piece, isWord: index % 2 === 0 }))
    .filter((part) => part.text);
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
