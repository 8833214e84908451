/** The rule by which a text is cut into words; hf_brnn/inference/explain.py follows the same one. */

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
