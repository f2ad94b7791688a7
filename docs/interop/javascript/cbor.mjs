// Reads and writes CBOR strictly: docs/envelope.md, section 10, step 2. Written from the page alone; runs in browsers.

export class Refused extends Error {}

export function must(condition, word = 'malformed') {
  if (!condition) throw new Refused(word);
}

/** A map: [label, value] pairs in the order of their bytes. */
export class Pairs extends Array {
  static [Symbol.species] = Array;
  labels() { return this.map(([label]) => label); }
  lookUp(label) { return this.find(([l]) => l === label)?.[1]; }
}

/** The pieces of a byte string of indefinite length: [bytes, whether the head is the shortest]. */
export class Segments extends Array {
  static [Symbol.species] = Array;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
export const isBytes = (value, low, high = low) => value instanceof Uint8Array
  && (low === undefined || value.length >= low && value.length <= high);
export const isLabel = (value) => ['number', 'bigint', 'string'].includes(typeof value);
export const toInteger = (bytes) => bytes.reduce((n, byte) => n * 256 + byte, 0); // of at most 6 bytes
export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
export const fromText = (text) => new TextEncoder().encode(text);
export const isSame = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

export function joinBytes(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (joined.set(part, at), at + part.length), 0);
  return joined;
}

function readHead(b, i) { // size null: indefinite length; a size above 2^53 is a bigint
  must(i < b.length, 'truncated');
  const major = b[i] >> 5, info = b[i] & 31;
  if (info < 24) return { major, size: info, at: i + 1, short: true };
  if (info === 31) must(major >= 2 && major <= 5);
  if (info === 31) return { major, size: null, at: i + 1, short: false };
  must(info < 28);
  const at = i + 1 + (1 << info - 24);
  must(at <= b.length, 'truncated');
  const exact = BigInt('0x' + toHex(b.subarray(i + 1, at)));
  const size = exact >= Number.MAX_SAFE_INTEGER ? exact : Number(exact);
  return { major, size, at, short: size > [23, 0xff, 0xffff, 0xffffffff][info - 24] && major < 7 };
}

/** The item at i, where it ends, and whether it is in deterministic encoding. */
export function readItem(b, i = 0, depth = 1, limits = true) {
  const { major, size, at, short } = readHead(b, i);
  if (major === 0) return { value: size, end: at, good: short };
  if (major === 1) return { value: typeof size === 'bigint' ? -1n - size : -1 - size, end: at, good: short };
  if (major < 4) return readString(b, at, major, size, short);
  if (major > 5) must(major === 7 && short && size >= 20 && size <= 22);
  if (major > 5) return { value: [false, true, null][size - 20], end: at, good: true };
  must(depth <= 8 && (size === null || size <= 16 || !limits), 'too-large');
  return major === 4 ? readArray(b, at, size, short, depth, limits) : readMap(b, at, size, short, depth, limits);
}

function readArray(b, end, size, good, depth, limits) {
  const value = [];
  while (size === null ? b[end] !== 0xff : value.length !== size) {
    must(value.length < 16 || !limits, 'too-large');
    const item = readItem(b, end, depth + 1, limits);
    value.push(item.value);
    good &&= item.good;
    end = item.end;
  }
  return { value, end: end + (size === null), good };
}

function readMap(b, end, size, good, depth, limits) {
  const value = new Pairs(), names = new Set();
  let last = '';
  while (size === null ? b[end] !== 0xff : value.length !== size) {
    must(value.length < 16 || !limits, 'too-large');
    const label = readItem(b, end, depth + 1, limits);
    const name = toHex(b.subarray(end, label.end));
    must(!names.has(name));
    const item = readItem(b, label.end, depth + 1, limits);
    value.push([label.value, item.value]);
    good = good && label.good && item.good && name > last;
    last = name;
    names.add(name);
    end = item.end;
  }
  return { value, end: end + (size === null), good };
}

function readString(b, at, major, size, short) {
  if (size === null) return readPieces(b, at, major);
  must(size <= b.length - at, 'truncated');
  const bytes = b.subarray(at, at + size);
  if (major === 2) return { value: bytes, end: at + size, good: short };
  try {
    return { value: utf8.decode(bytes), end: at + size, good: short };
  } catch {
    throw new Refused('malformed');
  }
}

function readPieces(b, at, major) {
  const pieces = new Segments();
  while (b[at] !== 0xff) {
    const head = readHead(b, at);
    must(head.major === major && head.size !== null);
    const piece = readString(b, head.at, major, head.size, head.short);
    pieces.push([piece.value, head.short]);
    at = piece.end;
  }
  return { value: major === 2 ? pieces : pieces.map(([text]) => text).join(''), end: at + 1, good: false };
}

/** The deterministic encoding of null, booleans, integers, text, bytes, and arrays of them. */
export function encodeItem(value) {
  if (value === null || typeof value === 'boolean') return Uint8Array.of(value === null ? 0xf6 : 0xf4 + value);
  if (typeof value === 'number' || typeof value === 'bigint') {
    return value < 0 ? encodeHead(1, -1n - BigInt(value)) : encodeHead(0, BigInt(value));
  }
  if (isBytes(value)) return joinBytes(encodeHead(2, BigInt(value.length)), value);
  if (typeof value === 'string') return joinBytes(encodeHead(3, BigInt(fromText(value).length)), fromText(value));
  return joinBytes(encodeHead(4, BigInt(value.length)), ...value.map(encodeItem));
}

function encodeHead(major, n) {
  if (n < 24n) return Uint8Array.of(major << 5 | Number(n));
  const info = n < 1n << 8n ? 24 : n < 1n << 16n ? 25 : n < 1n << 32n ? 26 : 27;
  const head = new DataView(new ArrayBuffer(9));
  head.setBigUint64(1, n);
  head.setUint8(8 - (1 << info - 24), major << 5 | info);
  return new Uint8Array(head.buffer, 8 - (1 << info - 24));
}
