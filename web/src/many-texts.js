/** The part of the page that scores pasted lines or the rows of a csv file. */

import { classifier, loaded } from "./client.js";
import { newColumns, readTable, writeTable } from "./csv.js";
import { NO_KNOWN_WORD, attempt, grow, plural } from "./page.js";
import { makeView } from "./views.js";

const TEXTS_PER_STEP = 50;
const SHOWN_ROWS = 100;
const PREVIEWED_ROWS = 3;
const LISTED_BAD_ROWS = 5;
const PASTED = { name: "", columns: ["text"], repeated: [], badRows: [], notes: [] };

const [
  form, pasted, lines, file, chosen, fileName, remove, fileNotes, badRows, column, preview, problem,
  run, progress, count, cancel, done, summary, download, filter, table, shown, spoken,
] = [
  "many", "pasted", "lines", "file", "chosen", "file-name", "remove", "file-notes", "bad-rows", "column", "preview", "problem",
  "run", "progress", "count", "cancel", "done", "summary", "download", "filter", "table", "shown", "many-spoken",
].map((id) => document.getElementById(id));

/** The table of the chosen file, if there is one. */
let source = null;
/** The file that was chosen last. */
let newest = null;
/** The scoring that runs, if one does. */
let job = null;
/** What is scored, as the table shows it. */
let scored = null;

file.addEventListener("change", () => choose(file.files[0]));
remove.addEventListener("click", () => {
  setSource(null);
  lines.focus();
});
column.addEventListener("change", showPreview);
lines.addEventListener("input", () => grow(lines));
cancel.addEventListener("click", () => {
  stop();
  spoken.textContent = "Cancelled.";
  run.focus();
});
filter.addEventListener("input", showRows);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!job) attempt(problem, score);
});
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  if (event.dataTransfer.files.length === 0) return;
  event.preventDefault();
  choose(event.dataTransfer.files[0]);
});

async function choose(newFile) {
  if (!newFile) return;
  setSource(null);
  newest = newFile;
  await attempt(problem, async () => {
    const [solved, read] = [await loaded, await readTable(newFile)];
    if (newFile !== newest) return; // another one was chosen in the meantime
    setSource(read);
    const added = newColumns(read.columns, solved);
    if (added.join() !== solved.columns.join()) read.notes.push(`New columns: ${added.join(", ")}.`);
    fileNotes.textContent = read.notes.join(" ");
    column.focus();
  });
  form.scrollIntoView({ block: "nearest" });
}

/** Sets the table that is scored, and forgets what was made of the one before. */
function setSource(newSource) {
  stop();
  clearResults();
  source = newSource;
  file.value = "";
  problem.textContent = "";
  pasted.hidden = source !== null;
  chosen.hidden = source === null;
  if (source) {
    fileName.textContent = `${source.name}, ${textCount(source.rows.length)}`;
    badRows.textContent = listBadRows(source.badRows);
    const texts = findTexts(source);
    column.replaceChildren(...source.columns.map((name, index) => new Option(name, index, index === texts, index === texts)));
    showPreview();
  }
}

/** Returns the place of the column `text`, or else of the one with the longest texts. */
function findTexts({ columns, rows }) {
  const named = columns.findIndex((name) => name.toLowerCase() === "text");
  if (named >= 0) return named;
  const lengths = columns.map((_, index) => rows.reduce((sum, row) => sum + row[index].length, 0));
  return lengths.indexOf(Math.max(...lengths));
}

function listBadRows(rows) {
  if (rows.length === 0) return "";
  const listed = rows.slice(0, LISTED_BAD_ROWS).map((row) => `Line ${row.line}: ${row.problem}.`);
  const more = rows.length - listed.length;
  return `${plural(rows.length, "line")} can't be read and will be left out. ${listed.join(" ")}${more ? ` And ${more.toLocaleString("en")} more.` : ""}`;
}

function showPreview() {
  preview.replaceChildren(...source.rows.slice(0, PREVIEWED_ROWS).map((row) => listItem(row[column.value])));
}

function listItem(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}

async function score() {
  const data = source ?? { ...PASTED, rows: readLines() };
  const place = source ? Number(column.value) : 0;
  if (data.repeated.includes(data.columns[place])) {
    throw new Error(`${data.name}: several columns have the name ${data.columns[place]}. Rename all but one of them.`);
  }
  const texts = data.rows.map((row) => row[place]);
  const current = {};
  job = current;
  clearResults();
  run.setAttribute("aria-disabled", "true");
  progress.hidden = false;
  try {
    const solved = await loaded;
    const answers = await classifyAll(texts, current);
    if (job === current) show(data, texts, answers, solved);
  } finally {
    if (job === current) stop();
  }
}

function stop() {
  job = null;
  run.removeAttribute("aria-disabled");
  progress.hidden = true;
}

function clearResults() {
  done.hidden = true;
  scored = null;
  filter.value = "";
  URL.revokeObjectURL(download.href);
  download.removeAttribute("href");
}

function readLines() {
  const texts = lines.value.split("\n").filter((line) => line.trim());
  if (texts.length === 0) {
    throw new Error("There is no text to score: paste some lines, or choose a csv file.");
  }
  return texts.map((text) => [text]);
}

/** Returns the answers of texts, or those that there are when the job is stopped. */
async function classifyAll(texts, current) {
  const bar = progress.querySelector("progress");
  const start = performance.now();
  const answers = [];
  spoken.textContent = `Scoring ${textCount(texts.length)}.`;
  bar.max = texts.length;
  while (answers.length < texts.length && job === current) {
    const left = (texts.length / answers.length - 1) * (performance.now() - start);
    bar.value = answers.length;
    count.textContent = `${answers.length.toLocaleString("en")} of ${textCount(texts.length)}${answers.length ? `, ${duration(left)} left` : ""}`;
    answers.push(...(await classifier.classify(texts.slice(answers.length, answers.length + TEXTS_PER_STEP))));
  }
  return answers;
}

/** @param {number} milliseconds */
function duration(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

function show(data, texts, answers, solved) {
  const view = makeView(solved);
  const cells = view.cells(answers);
  scored = texts.map((text, index) => {
    const answer = answers[index];
    const isKnown = answer.knownWords > 0;
    return {
      // What the columns are sorted by. Texts without a known word have no label.
      keys: [text, ...(isKnown ? view.keys(answer) : view.headers.map(() => undefined))],
      searched: `${text} ${isKnown ? answer.labels.join(" ") : NO_KNOWN_WORD}`.toLowerCase(),
      content: isKnown && view.text ? view.text(text, answer) : text,
      cells: isKnown ? cells[index] : [NO_KNOWN_WORD],
    };
  });
  table.tHead.rows[0].replaceChildren(...["Text", ...view.headers].map(header));
  showRows();
  summary.textContent = view.summary(answers);
  download.href = URL.createObjectURL(new Blob([writeTable(data, answers, solved)], { type: "text/csv" }));
  download.download = data.name ? data.name.replace(/(\.[^.]*?)(\.gz)?$/i, "-scored.csv") : "scored.csv";
  done.hidden = false;
  spoken.textContent = `Scored ${textCount(texts.length)}. ${summary.textContent}. The scored file is ready.`;
}

/** Shows the first rows of those that the filter leaves, in the order of the column that was clicked. */
function showRows() {
  const wanted = filter.value.trim().toLowerCase();
  const found = scored.filter(({ searched }) => searched.includes(wanted));
  const cells = [...table.tHead.rows[0].cells];
  const place = cells.findIndex((cell) => cell.ariaSort !== "none");
  if (place >= 0) {
    const direction = cells[place].ariaSort === "ascending" ? 1 : -1;
    found.sort((a, b) => compare(a.keys[place], b.keys[place], direction));
  }
  table.tBodies[0].replaceChildren(...found.slice(0, SHOWN_ROWS).map(row));
  const [all, some] = [scored.length.toLocaleString("en"), found.length.toLocaleString("en")];
  shown.textContent =
    (wanted ? `${some} of ${all} texts have it. ` : "") +
    (found.length > SHOWN_ROWS ? `The first ${SHOWN_ROWS} rows; the file has all ${all}.` : "");
}

/** Compares texts or numbers; what is undefined comes last. */
function compare(a, b, direction) {
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
  return direction * (typeof a === "number" ? a - b : a.localeCompare(b));
}

/** Returns the head of a column, which sorts the rows by it: upwards at the first click, downwards at the second. */
function header(name) {
  const element = document.createElement("th");
  element.scope = "col";
  element.ariaSort = "none";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", () => {
    const direction = element.ariaSort === "ascending" ? "descending" : "ascending";
    for (const cell of table.tHead.rows[0].cells) cell.ariaSort = "none";
    element.ariaSort = direction;
    showRows();
  });
  element.append(button);
  return element;
}

function row({ content, cells }) {
  const element = document.createElement("tr");
  [content, ...cells].forEach((each) => element.insertCell().append(...[each].flat()));
  element.cells[0].dir = "auto";
  element.lastChild.colSpan = table.tHead.rows[0].cells.length - cells.length;
  return element;
}

const textCount = (texts) => plural(texts, "text");
