/** What all parts of the page need to show something. */

export const NO_KNOWN_WORD = "No known word";

/** @param {number} share From 0 to 1. */
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Returns a number with so many decimals that another one, of a larger size, has these significant digits. */
export function number(value, largest = value, digits = 3) {
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.max(Math.abs(largest), 1e-6))));
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative" };
  return value.toLocaleString("en", options).replace("-", "−");
}

/** Returns "1 text", "2,000 texts". */
export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** Returns a list item with a text at its start and one at its end. */
export function row(start, end) {
  const item = document.createElement("li");
  child(item, "span", start);
  child(item, "span", end);
  return item;
}

/** Returns a word with a note below it, marked by a class and a custom property of CSS. */
export function word(text, note, className, property, value) {
  const element = document.createElement("span");
  element.className = "word";
  const base = child(element, "span", text);
  base.className = className;
  base.style.setProperty(property, value);
  child(element, "small", note);
  return element;
}

function child(parent, name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  parent.append(element);
  return element;
}

/** Makes a text box as high as its text. */
export function grow(box) {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
}

/** Does what was asked for, or says in `problem` why it can't be done. */
export async function attempt(problem, action) {
  problem.textContent = "";
  try {
    await action();
  } catch (error) {
    problem.textContent = error.message;
  }
}
