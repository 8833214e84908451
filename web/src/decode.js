/** From a file to its text: decompresses it, and finds out its encoding. hf_brnn/data/open_file.py follows the same rules. */

const SIGNATURES = {
  PAR1: ".parquet",
  ARROW1: ".arrow",
  "\x1f\x8b": ".gz",
  BZh: ".bz2",
  "\x28\xb5\x2f\xfd": ".zst",
  "PK\x03\x04": ".zip (or .xlsx)",
};
const BYTE_ORDER_MARKS = {
  "\xff\xfe\0\0": "utf-32",
  "\0\0\xfe\xff": "utf-32",
  "\xef\xbb\xbf": "utf-8",
  "\xff\xfe": "utf-16le",
  "\xfe\xff": "utf-16be",
};
/** A character outside ASCII in UTF-8, or a byte that is not part of one. */
const UTF_8 =
  /[\xc2-\xdf][\x80-\xbf]|(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf]|(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2}|[\x80-\xff]/g;
const CHUNK = 2 ** 13;

/**
 * @param {File} file
 * @returns {Promise<Uint8Array>} Its bytes, decompressed.
 * @throws {Error} It is damaged, or its first bytes are those of another format.
 */
export async function readBytes(file) {
  const isGzip = file.name.toLowerCase().endsWith(".gz");
  const stream = isGzip ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
  let bytes;
  try {
    bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    throw new Error(`${file.name}: can't be read (${error.message}). Copy the file again.`, { cause: error });
  }
  const start = latin1(bytes.subarray(0, 8));
  const signature = Object.keys(SIGNATURES).find((each) => start.startsWith(each));
  if (signature && !isGzip) {
    throw new Error(`${file.name}: the first bytes are those of a ${SIGNATURES[signature]} file. Give the file this suffix.`);
  }
  return bytes;
}

/**
 * @param {string} name Of the file, for messages.
 * @param {Uint8Array} bytes
 * @param {boolean} isLatin1 Whether a file that is not UTF-8 is latin-1.
 * @returns {{text: string, encoding: string}} A byte that is not UTF-8 becomes a lone surrogate.
 * @throws {Error} The text can't be decoded.
 */
export function decode(name, bytes, isLatin1 = false) {
  const start = latin1(bytes.subarray(0, 4));
  const mark = Object.keys(BYTE_ORDER_MARKS).find((each) => start.startsWith(each));
  const marked = BYTE_ORDER_MARKS[mark];
  if (marked && marked !== "utf-8") return { text: decodeMarked(name, bytes, marked), encoding: marked };

  const text = new TextDecoder().decode(bytes);
  if (!text.includes("\ufffd")) return { text, encoding: "utf-8" };
  const binary = latin1(bytes);
  const character = new TextDecoder("utf-8", { ignoreBOM: true });
  let [decoded, undecoded] = [0, 0];
  const withSurrogates = binary.slice(marked ? mark.length : 0).replace(UTF_8, (found) => {
    if (found.length === 1) {
      undecoded += 1;
      return String.fromCharCode(0xdc00 + found.charCodeAt(0));
    }
    decoded += 1;
    return character.decode(Uint8Array.from(found, (byte) => byte.charCodeAt(0)));
  });
  if (marked || undecoded <= decoded) return { text: withSurrogates, encoding: "utf-8" };
  if (isLatin1 || /[\x81\x8d\x8f\x90\x9d]/.test(binary)) return { text: binary, encoding: "latin-1" };
  return { text: new TextDecoder("windows-1252").decode(bytes), encoding: "windows-1252" };
}

function decodeMarked(name, bytes, encoding) {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error(`${name}: can't be decoded as ${encoding}. Save it as UTF-8 and choose it again.`, { cause: error });
  }
}

/** Returns a text with a character for each byte. */
function latin1(bytes) {
  const chunks = [];
  for (let start = 0; start < bytes.length; start += CHUNK) {
    chunks.push(String.fromCharCode(...bytes.subarray(start, start + CHUNK)));
  }
  return chunks.join("");
}
