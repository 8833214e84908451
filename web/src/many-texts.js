/** The part of the page that scores pasted lines or the rows of a csv file. */

import { classifier, loaded } from "./client.js";
import { readTable, writeTable } from "./csv.js";
import { attempt, percent } from "./page.js";

const TEXTS_PER_STEP = 50;
const SHOWN_ROWS = 100;

const [
  form, pasted, lines, file, chosen, fileName, remove, column, problem,
  run, progress, count, done, summary, download, table, shown, spoken,
] = [
  "many", "pasted", "lines", "file", "chosen", "file-name", "remove", "column", "problem",
  "run", "progress", "count", "done", "summary", "download", "table", "shown", "many-spoken",
].map((id) => document.getElementById(id));

/** The rows of the chosen file, if there is one. */
let source = null;
let isScoring = false;

file.addEventListener("change", () => attempt(problem, () => choose(file.files[0])));
remove.addEventListener("click", () => {
  setSource(null);
  lines.focus();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!isScoring) attempt(problem, score);
});
form.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("dropping");
});
form.addEventListener("dragleave", (event) => {
  if (!form.contains(event.relatedTarget)) form.classList.remove("dropping");
});
form.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("dropping");
  if (event.dataTransfer.files.length) attempt(problem, () => choose(event.dataTransfer.files[0]));
});

async function choose(newFile) {
  if (!newFile) return;
  setSource(null);
  setSource({ name: newFile.name, ...(await readTable(newFile)) });
  column.focus();
}

function setSource(newSource) {
  source = newSource;
  file.value = "";
  pasted.hidden = source !== null;
  chosen.hidden = source === null;
  if (source) {
    fileName.textContent = `${source.name}, ${rowCount(source.rows.length)}`;
    column.replaceChildren(...source.columns.map((name) => new Option(name, name, false, name === "text")));
  }
}

async function score() {
  const name = source ? source.name.replace(/\.[^.]*$/, "-scored.csv") : "scored.csv";
  const data = source ?? { columns: ["text"], rows: readLines() };
  const texts = data.rows.map((row) => row[source ? column.value : "text"]);
  isScoring = true;
  run.setAttribute("aria-disabled", "true");
  done.hidden = true;
  progress.hidden = false;
  try {
    await loaded;
    const results = await classifyAll(texts);
    show(name, data, texts, results);
  } finally {
    isScoring = false;
    run.removeAttribute("aria-disabled");
    progress.hidden = true;
  }
}

function readLines() {
  const texts = lines.value.split("\n").filter((line) => line.trim());
  if (texts.length === 0) {
    throw new Error("There is no text to score: paste some lines, or choose a csv file.");
  }
  return texts.map((text) => ({ text }));
}

async function classifyAll(texts) {
  const bar = progress.querySelector("progress");
  const results = [];
  spoken.textContent = `Scoring ${rowCount(texts.length)}.`;
  bar.max = texts.length;
  while (results.length < texts.length) {
    bar.value = results.length;
    count.textContent = `${results.length.toLocaleString("en")} of ${rowCount(texts.length)}`;
    results.push(...(await classifier.classify(texts.slice(results.length, results.length + TEXTS_PER_STEP))));
  }
  return results;
}

function show(name, data, texts, results) {
  const counts = new Map();
  results.forEach(({ label }) => counts.set(label, (counts.get(label) ?? 0) + 1));
  const parts = [...counts].sort((a, b) => b[1] - a[1]);
  summary.textContent = parts
    .map(([label, rows]) => `${label}: ${rows.toLocaleString("en")} (${percent(rows / texts.length)})`)
    .join(", ");
  shown.hidden = texts.length <= SHOWN_ROWS;
  shown.textContent = `The first ${SHOWN_ROWS} rows; the file has all ${texts.length.toLocaleString("en")}.`;
  table.tBodies[0].replaceChildren(...results.slice(0, SHOWN_ROWS).map((result, index) => row(texts[index], result)));
  URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(new Blob([writeTable(data, results)], { type: "text/csv" }));
  download.download = name;
  done.hidden = false;
  spoken.textContent = `Scored ${rowCount(texts.length)}. ${summary.textContent}. The scored file is ready.`;
}

function row(text, { label, score }) {
  const element = document.createElement("tr");
  for (const content of [text, label, percent(score)]) {
    element.insertCell().textContent = content;
  }
  element.cells[0].dir = "auto";
  return element;
}

function rowCount(number) {
  return `${number.toLocaleString("en")} ${number === 1 ? "text" : "texts"}`;
}
