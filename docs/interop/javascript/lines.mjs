// Reads and writes messages as lines of JSON: docs/envelope.md, section 9, ndjson.

import { Refused, fromText, must } from './cbor.mjs';
import { fromBase64 } from './keys.mjs';

const FIELDS = ['key', 'value', 'subject'];
const NAMES = ['headers', 'time', ...FIELDS, ...FIELDS.map((name) => `${name}64`)];
const TIME = /^((\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/;
const FIRST = -62167219200000, LAST = 253402300799999; // the years 0 to 9999
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The lines of a file that are not blank, as messages for openMessage. */
export function* readLines(b) {
  const isMarked = b[0] === 0xef && b[1] === 0xbb && b[2] === 0xbf;
  for (let at = isMarked ? 3 : 0, end; at < b.length; at = end + 1) {
    end = b.indexOf(10, at) < 0 ? b.length : b.indexOf(10, at);
    const line = b.subarray(at, end);
    if (line.some((byte) => ![9, 13, 32].includes(byte))) yield parseLine(line);
  }
}

function parseLine(line) {
  try {
    const text = strict.decode(line), fields = JSON.parse(text), names = Object.keys(fields);
    const pairs = fields.headers ?? [];
    must(names.every((name) => NAMES.includes(name)));
    must(!FIELDS.some((name) => name in fields && `${name}64` in fields));
    must(!Array.isArray(fields) && ('value' in fields || 'value64' in fields) && Array.isArray(pairs));
    must(pairs.every((pair) => Array.isArray(pair) && pair.length === 2 && pair[0] !== null));
    const objects = pairs.flat().filter((x) => x !== null && typeof x === 'object').length;
    must(countColons(text) === names.length + objects); // JSON.parse would take the last of two fields of one name
    const read = (name) => (`${name}64` in fields ? readBase64(fields[`${name}64`]) : readText(fields[name] ?? null));
    const [key, value, subject] = FIELDS.map(read);
    const headers = pairs.map((pair) => pair.map((x) => (x?.b64 === undefined ? readText(x) : readBase64(x.b64))));
    return { key, value, subject, headers, time: readTime(fields.time ?? null) };
  } catch (e) {
    must(![SyntaxError, TypeError, DOMException].some((kind) => e instanceof kind)); // not JSON, UTF-8 or base64
    throw e;
  }
}

const countColons = (text) => text.match(/"(?:[^"\\]|\\.)*"|:/g).filter((token) => token === ':').length;

function readText(value) {
  must(value === null || typeof value === 'string' && value.isWellFormed());
  return value && fromText(value) || (value === '' ? new Uint8Array() : null);
}

function readBase64(text) {
  must(typeof text === 'string');
  const bytes = fromBase64(text);
  must(encodeBase64(bytes) === text);
  return bytes;
}

const encodeBase64 = (bytes) => btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));

/** Unix milliseconds, rounded down. */
function readTime(text) {
  if (text === null) return null;
  const [, moment, day, fraction = '', zone] = TIME.exec(text) ?? [];
  const time = Date.parse(moment + zone);
  must(!Number.isNaN(time) && new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)); // no 30 February
  return time + Number(fraction.padEnd(3, '0').slice(0, 3));
}

/** A message as a line, with its newline. */
export function formatLine({ key, headers, time, subject, value }) {
  const fields = {};
  const put = (name, bytes) => {
    const shown = showBytes(bytes);
    if (shown?.b64 === undefined) fields[name] = shown;
    else fields[`${name}64`] = shown.b64;
  };
  if (key) put('key', key);
  put('value', value);
  if (headers.length) fields.headers = headers.map(([name, x]) => [showBytes(name), showBytes(x)]);
  if (time !== null) fields.time = formatTime(time);
  if (subject) put('subject', subject);
  return fromText(JSON.stringify(fields) + '\n');
}

function showBytes(bytes) {
  if (!bytes) return null;
  try {
    return strict.decode(bytes);
  } catch {
    return { b64: encodeBase64(bytes) };
  }
}

function formatTime(time) {
  must(time >= FIRST && time <= LAST);
  return new Date(Number(time)).toISOString().replace(/\.?0*Z$/, 'Z');
}
