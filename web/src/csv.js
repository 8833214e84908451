/** Tables from and to csv. hf_brnn/data/csv_file.py, batches.py and writers.py follow the same rules. */

import { decode, readBytes } from "./decode.js";
import { addedFields } from "./problem.js";

const SUFFIX = /\.(csv|tsv)(\.gz)?$/i;
/** The columns of Sentiment140's original files, which have no header. */
const ORIGINAL_COLUMNS = ["target", "id", "date", "query", "user", "text"];
const ORIGINAL_DATE = /^\w{3} \w{3} \d\d \d\d:\d\d:\d\d \w+ \d{4}$/;
const OTHER_DELIMITERS = { ";": "Semicolons", "\t": "Tabs", "|": "Bars" };
const MAX_COLUMNS = 10_000;
const SHOWN_CHARACTERS = 300;

/**
 * Reads a csv or tsv file: each line of it is in a row or reported.
 *
 * @param {File} file Its name ends in .csv or .tsv, or with .gz behind it.
 * @returns {Promise<{name: string, columns: string[], repeated: string[], rows: string[][], badRows: {line: number,
 *   problem: string}[], notes: string[]}>}
 *   The names of the columns, which are different; those that several columns have in the file; the fields of the rows;
 *   the rows that can't be read; and how the file was read, where that is not as usual.
 * @throws {Error} The file can't be read, or has no row.
 */
export async function readTable(file) {
  const suffix = SUFFIX.exec(file.name);
  if (!suffix) {
    throw new Error(
      `${file.name}: this page reads .csv and .tsv files, also compressed as .gz. Save the table as csv, or score it ` +
        "with hf-brnn predict, which also reads parquet, Excel, json and txt files.",
    );
  }
  const isTsv = suffix[1].toLowerCase() === "tsv";
  const bytes = await readBytes(file);
  let { text, encoding } = decode(file.name, bytes);
  let lines = splitLines(text);
  const isOriginal = !isTsv && isOriginalCsv(lines);
  if (isOriginal && encoding === "windows-1252") {
    ({ text, encoding } = decode(file.name, bytes, true));
    lines = splitLines(text);
  }
  const { skipped, delimiter } = isOriginal ? { skipped: 0, delimiter: "," } : findDelimiter(lines, isTsv);
  const hasQuotes = !isTsv || quotesAreConsistent(lines, delimiter, skipped);
  const parsed = parse(lines, delimiter, hasQuotes, skipped);
  const header = isOriginal ? ORIGINAL_COLUMNS : readHeader(file.name, parsed.next().value);
  const badRows = [];
  const rows = [...checkRows(parsed, header, delimiter, (line, problem) => badRows.push({ line, problem }))];
  if (rows.length === 0) {
    const [first] = badRows;
    throw new Error(`${file.name}: there are no rows to score.${first ? ` Line ${first.line}: ${first.problem}.` : ""}`);
  }
  const notes = [];
  if (encoding !== "utf-8") notes.push(`Read as ${encoding}.`);
  if (!isTsv && delimiter !== ",") notes.push(`${OTHER_DELIMITERS[delimiter] ?? `“${delimiter}”`} separate its columns.`);
  const repeated = header.filter((name, index) => name && header.indexOf(name) < index);
  return { name: file.name, columns: nameColumns(header), repeated, rows, badRows, notes };
}

/** A line ends with a line feed, a carriage return, or both. */
const splitLines = (text) => text.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$/g) ?? [];

const withoutLineEnd = (line) => line.replace(/[\r\n]+$/, "");

/** Sentiment140's original files have no header, six fields, and a date in the third. */
function isOriginalCsv(lines) {
  const { fields } = parse(lines.slice(0, 1), ",", true, 0).next().value ?? { fields: [] };
  return fields.length === ORIGINAL_COLUMNS.length && /^[024]$/.test(fields[0]) && ORIGINAL_DATE.test(fields[2]);
}

/** Returns the number of lines before the header, and the delimiter. */
function findDelimiter(lines, isTsv) {
  const first = lines.findIndex((line) => line.trim());
  const header = lines[first]?.trim() ?? "";
  const says = /^sep=(.)$/iu.exec(header);
  if (says) return { skipped: first + 1, delimiter: says[1] };
  const other = Object.keys(OTHER_DELIMITERS).find((delimiter) => header.includes(delimiter));
  const delimiter = isTsv ? "\t" : !header.includes(",") && other ? other : ",";
  return { skipped: Math.max(first, 0), delimiter };
}

/** Returns whether all rows of a file have the fields of its first one, if quotes are read as such. */
function quotesAreConsistent(lines, delimiter, skipped) {
  let columns = 0;
  for (const { fields, problem, rowLines } of parse(lines, delimiter, true, skipped)) {
    columns ||= fields.length;
    if (problem || fields.length !== columns) return false;
    if (rowLines.length > 1 && areRows(rowLines, delimiter, columns)) return false;
  }
  return true;
}

/** Yields the rows of a file without its first lines and empty ones. A row that can't be parsed has a problem. */
function* parse(lines, delimiter, hasQuotes, skipped) {
  for (let next = skipped; next < lines.length; ) {
    const first = next;
    const content = withoutLineEnd(lines[first]);
    let [fields, problem] = [content.split(delimiter), ""];
    next += 1;
    if (hasQuotes && content.includes('"')) ({ fields, problem, next } = parseQuoted(lines, first, delimiter));
    if (content) yield { number: first + 1, fields, problem, rowLines: lines.slice(first, next) };
  }
}

/** Parses a row as csv.reader of Python does with strict=True. Returns also the index of the line after it. */
function parseQuoted(lines, first, delimiter) {
  const fields = [];
  let [line, place, next] = [lines[first], 0, first + 1];
  const broken = (problem) => {
    return { fields: [], problem: `broken quotes (${problem})${next > first + 1 ? `, up to line ${next}` : ""}`, next };
  };
  while (true) {
    let field = "";
    if (line[place] === '"') {
      let close = line.indexOf('"', ++place);
      while (close < 0 || line[close + 1] === '"') {
        if (close < 0 && next === lines.length) return broken("unexpected end of data");
        field += close < 0 ? line.slice(place) : line.slice(place, close + 1);
        [line, place] = close < 0 ? [lines[next++], 0] : [line, close + 2];
        close = line.indexOf('"', place);
      }
      field += line.slice(place, close);
      place = close + 1;
    } else {
      const end = line.indexOf(delimiter, place);
      field = end < 0 ? withoutLineEnd(line.slice(place)) : line.slice(place, end);
      place += field.length;
    }
    fields.push(field);
    if (withoutLineEnd(line).length === place) return { fields, problem: "", next };
    if (!line.startsWith(delimiter, place)) return broken(`'${delimiter}' expected after '"'`);
    place += delimiter.length;
  }
}

/** Returns the fields of a line that writes a quote as `\"`; none if that is broken too. */
function parseEscaped(line, delimiter) {
  const fields = [""];
  let [isStart, isQuoted, isEscaped] = [true, false, false];
  for (const character of withoutLineEnd(line)) {
    if (isEscaped || (character !== "\\" && character !== '"' && (isQuoted || character !== delimiter))) {
      fields[fields.length - 1] += character;
      [isStart, isEscaped] = [false, false];
    } else if (character === "\\") {
      isEscaped = true;
    } else if (character === '"' && (isQuoted || isStart)) {
      [isStart, isQuoted] = [false, !isQuoted];
    } else if (character === '"') {
      fields[fields.length - 1] += character;
    } else {
      fields.push("");
      isStart = true;
    }
  }
  return isQuoted || isEscaped ? [] : fields;
}

/** Returns whether each of some lines has the fields of a row, if quotes mean nothing. In a file of one column, each line
 *  has, which says nothing. */
function areRows(lines, delimiter, columns) {
  return columns > 1 && lines.every((line) => withoutLineEnd(line).split(delimiter).length === columns);
}

/** Yields the fields of the rows that can be used, and calls `onBadRow` for each line of the others. */
function* checkRows(parsed, names, delimiter, onBadRow) {
  for (let { number, fields, problem, rowLines } of parsed) {
    if ((problem || fields.length !== names.length) && rowLines.length === 1 && rowLines[0].includes('\\"')) {
      const escaped = parseEscaped(rowLines[0], delimiter);
      if (escaped.length === names.length) [problem, fields] = ["", escaped];
    }
    if (!problem && fields.length !== names.length) {
      problem = `${fields.length} fields instead of ${names.length} (${listNames(names)})`;
    }
    if (!problem && !fields.every((field) => field.isWellFormed())) problem = "bytes that are not UTF-8";
    if (rowLines.length > 1 && areRows(rowLines, delimiter, names.length)) {
      problem = `a quote that opens on line ${number} would join several lines into one row, although each is a valid row; close the quote`;
      rowLines.forEach((_, index) => onBadRow(number + index, problem));
    } else if (problem) {
      onBadRow(number, problem);
    } else {
      yield fields;
    }
  }
}

function readHeader(name, row) {
  if (!row) throw new Error(`${name}: the file has no header line.`);
  if (row.problem) throw new Error(`${name}, line ${row.number}: the header has ${row.problem}.`);
  if (row.fields.length > MAX_COLUMNS) {
    throw new Error(
      `${name}: ${row.fields.length.toLocaleString("en")} columns, but at most ${MAX_COLUMNS.toLocaleString("en")} are read. ` +
        "Write the columns that are needed.",
    );
  }
  if (!row.fields.every((field) => field.isWellFormed())) {
    throw new Error(`${name}, line ${row.number}: the header holds bytes that are not UTF-8. Save the file as UTF-8.`);
  }
  return row.fields;
}

function listNames(names) {
  const text = names.join(", ");
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}

/** A column without a name is `column_<place>`, and the second column of a name has `_2` behind it. */
function nameColumns(names) {
  const [given, unique] = [new Set(names), new Set()];
  names.forEach((name, index) => {
    const base = name || `column_${index + 1}`;
    let fresh = base;
    for (let number = 2; unique.has(fresh) || (fresh !== name && given.has(fresh)); number++) fresh = `${base}_${number}`;
    unique.add(fresh);
  });
  return [...unique];
}

/** Returns the names of the columns that scoring adds, which the table doesn't have: `predicted_label` where it has `label`. */
export function newColumns(columns, problem) {
  return problem.columns.map((name) => {
    while (columns.includes(name)) name = `predicted_${name}`;
    return name;
  });
}

/** Returns the rows with what was found out about each as csv. Formulas have a `'` before them: people open the file in a
 * spreadsheet, which would run them. */
export function writeTable({ columns, rows }, answers, problem) {
  const scored = rows.map((row, index) => [...row, ...addedFields(answers[index], problem)]);
  return [[...columns, ...newColumns(columns, problem)], ...scored].map(writeRow).join("");
}

const writeRow = (fields) => `${fields.map(writeField).join(",")}\n`;

/** Follows hf_brnn/data/writers.py. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

function writeField(value) {
  const field = FORMULA.test(value) && Number.isNaN(Number(value)) ? `'${value}` : String(value);
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
