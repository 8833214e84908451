/** The part of the page that scores pasted lines or the rows of a csv file. */

import { classifier, loaded } from "./client.js";
import { readTable, writeTable } from "./csv.js";
import { attempt, plural } from "./page.js";
import { makeView } from "./views.js";

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
  setSource({ name: newFile.name, ...(await readTable(newFile, await loaded)) });
  column.focus();
}

function setSource(newSource) {
  source = newSource;
  file.value = "";
  pasted.hidden = source !== null;
  chosen.hidden = source === null;
  if (source) {
    fileName.textContent = `${source.name}, ${textCount(source.rows.length)}`;
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
    const solved = await loaded;
    show(name, data, texts, await classifyAll(texts), solved);
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
  const answers = [];
  spoken.textContent = `Scoring ${textCount(texts.length)}.`;
  bar.max = texts.length;
  while (answers.length < texts.length) {
    bar.value = answers.length;
    count.textContent = `${answers.length.toLocaleString("en")} of ${textCount(texts.length)}`;
    answers.push(...(await classifier.classify(texts.slice(answers.length, answers.length + TEXTS_PER_STEP))));
  }
  return answers;
}

function show(name, data, texts, answers, solved) {
  const view = makeView(solved);
  summary.textContent = view.summary(answers);
  shown.hidden = texts.length <= SHOWN_ROWS;
  shown.textContent = `The first ${SHOWN_ROWS} rows; the file has all ${texts.length.toLocaleString("en")}.`;
  table.tHead.rows[0].replaceChildren(...view.headers.map(header));
  table.tBodies[0].replaceChildren(...view.rows(texts, answers.slice(0, SHOWN_ROWS)).map(row));
  URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(new Blob([writeTable(data, answers, solved)], { type: "text/csv" }));
  download.download = name;
  done.hidden = false;
  spoken.textContent = `Scored ${textCount(texts.length)}. ${summary.textContent}. The scored file is ready.`;
}

function header(name) {
  const element = document.createElement("th");
  element.scope = "col";
  element.textContent = name;
  return element;
}

function row(cells) {
  const element = document.createElement("tr");
  cells.forEach((content) => element.insertCell().append(...[content].flat()));
  element.cells[0].dir = "auto";
  return element;
}

const textCount = (count) => plural(count, "text");
