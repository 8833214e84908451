/** What the page says about its model: read from the model directory when the page is built. */

import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

import MarkdownIt from "markdown-it";
import { parse } from "yaml";

import { question, readProblem } from "./src/problem.js";

/** The files that a card links to. */
const CARD_FILES = ["curves.png", "predictions.png", "reliability.png", "training_config.yaml"];
const STYLE = `
  :root { color-scheme: light dark; font: 1rem/1.55 system-ui, sans-serif; }
  body { max-width: 54rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; overflow-wrap: break-word; }
  table { display: block; border-collapse: collapse; overflow-x: auto; }
  th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #8886; text-align: start; }
  pre { padding: 0.9rem; background: #8882; overflow-x: auto; }
  img { max-width: 100%; }`;

/** Returns a text as HTML. */
const escape = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * @param {string} folder The model directory.
 * @returns {{values: Object<string, string>, files: Object<string, string | Buffer>}}
 *   HTML in place of the names in index.html, and the files of the model card.
 */
export function readAbout(folder) {
  const read = (file) => (existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8") : "");
  const name = basename(folder);
  const { metadata, markdown } = readCard(read("README.md"));
  const { test } = JSON.parse(read("metrics.json") || "{}");
  const problem = readProblem(JSON.parse(read("config.json")));
  const examples = (metadata.widget ?? []).map(({ text }) => text).filter((text) => typeof text === "string");
  const datasets = [metadata.datasets ?? []].flat();
  const chips = examples.map((text) => `<button type="button" class="chip">${escape(text)}</button>`);
  const cards = CARD_FILES.filter((file) => existsSync(join(folder, file))).map((file) => [file, readFileSync(join(folder, file))]);
  return {
    values: {
      NAME: escape(name),
      QUESTION: escape(question(problem)),
      TRAINED_ON: datasets.length ? ` trained on ${datasets.map(datasetLink).join(", ")}` : "",
      ACCURACY: test?.accuracy === undefined ? "" : accuracy(test),
      CARD_LINK: markdown && '<a href="card.html">Model card</a>',
      EXAMPLE: escape(examples[0] ?? ""),
      EXAMPLES: chips.length ? `<p class="chips"><span>Try</span> ${chips.join(" ")}</p>` : "",
    },
    files: markdown ? { "card.html": cardPage(name, markdown), ...Object.fromEntries(cards) } : {},
  };
}

/** Returns the metadata of a card, and its text. */
function readCard(card) {
  const [, header, markdown] = /^---\r?\n(.*?)\r?\n---\r?\n(.*)$/s.exec(card) ?? [null, "", card];
  return { metadata: parse(header) ?? {}, markdown };
}

const datasetLink = (name) => `<a href="https://huggingface.co/datasets/${encodeURI(name)}">${escape(name)}</a>`;

const accuracy = ({ accuracy, rows }) =>
  `Its accuracy on ${rows.toLocaleString("en")} test texts is ${(100 * accuracy).toFixed(1)}\u00a0%.`;

/** Returns a card as HTML. The parser escapes the HTML in it; comments are left out. */
function cardPage(name, markdown) {
  const title = escape(name);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="icon.svg">
<style>${STYLE}
</style>
<main>
<p><a href="./">Back to the page</a></p>
${new MarkdownIt().render(markdown.replace(/<!--.*?-->/gs, ""))}</main>
</html>
`;
}
