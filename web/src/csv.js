/** Tables from and to csv. */

import Papa from "papaparse";

import { addedFields } from "./problem.js";

/**
 * @param {File} file A csv or tsv file in UTF-8 with a header; empty lines are left out.
 * @param {{columns: string[]}} problem
 * @returns {Promise<{columns: string[], rows: Object<string, string>[]}>}
 * @throws {Error} A row can't be used, there is none, or the file already has a column that scoring adds.
 */
export async function readTable(file, problem) {
  const { data: rows, errors, meta } = Papa.parse(decode(file.name, await file.arrayBuffer()), {
    header: true,
    skipEmptyLines: true,
  });
  // A file of one column has no delimiter to detect.
  const [error] = errors.filter(({ code }) => code !== "UndetectableDelimiter");
  if (error) {
    throw new Error(`${file.name}, row ${error.row + 1} below the header: ${error.message}.`);
  }
  if (meta.renamedHeaders) {
    throw new Error(`${file.name}: the header names ${Object.values(meta.renamedHeaders).join(", ")} more than once.`);
  }
  if (rows.length === 0) {
    throw new Error(`${file.name}: no row to score below the header.`);
  }
  const taken = problem.columns.filter((name) => meta.fields.includes(name));
  if (taken.length) {
    throw new Error(`${file.name}: already has a column ${taken.join(", ")}, which the scored file would repeat.`);
  }
  return { columns: meta.fields, rows };
}

function decode(name, bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error(`${name}: not UTF-8. Save it as "csv UTF-8" and choose it again.`, { cause: error });
  }
}

/** Returns the rows with what was found out about each as csv. */
export function writeTable({ columns, rows }, answers, problem) {
  const scored = rows.map((row, index) => [...columns.map((name) => row[name]), ...addedFields(answers[index], problem)]);
  return Papa.unparse({ fields: [...columns, ...problem.columns], data: scored });
}
