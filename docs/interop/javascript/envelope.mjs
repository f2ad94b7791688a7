// Reads the bytes of an envelope strictly: docs/envelope.md, section 10, steps 1 to 6.

import { Pairs, Refused, Segments, isBytes, isLabel, joinBytes, must, readItem, toHex, toInteger } from './cbor.mjs';

const [POSITION, CHUNKED, CHUNKING, SIGNATURE, CODING] = [6, 7, 10, 11, 12].map((n) => -1935867900 - n);
const ROWS = new Map([ // section 4: shortest and longest kid, shortest and longest wrapped key
  [-5, [8, 8, 40, 40]],
  [-31, [8, 8, 40, 40]],
  [-41, [8, 8, 256, 512]],
  [-42, [8, 8, 256, 512]],
  [-1935867908, [1, 2048, 1, 6144]],
  [-1935867909, [8, 8, 1168, 1168]],
  [-1935867913, [1, 2048, 1, 6144]],
  [-1935867914, [1, 2048, 1, 6144]],
]);
const { isInteger } = Number;
const areZero = (bytes) => bytes.every((byte) => byte === 0);
const isLike = (labels, expected) => labels.length === expected.length && labels.every((l, i) => l === expected[i]);
const holdsOnly = (labels, allowed) => labels.every((label) => allowed.includes(label));

/** What the bytes say, or a Refused. front is everything before the recipients. */
export function parseEnvelope(b) {
  must(!(b.length === 1 && b[0] === 0xd8), 'truncated');
  must(b[0] === 0xd0 || b[0] === 0xd8 && b[1] === 0x60, 'not-an-envelope');
  const alone = b[0] === 0xd8, start = 1 + alone;
  const body = readItem(b, start);
  must(body.end === b.length && b[start] === 0x83 + alone);
  const e = { whole: b, alone, front: b, recipients: [] };
  let at = readProtected(e, b, start + 1);
  at = readUnprotected(e, b, at);
  at = readCiphertext(e, readItem(b, at, 2));
  if (alone) readRecipients(e, b, at);
  return e;
}

/** The same, with null instead of a Refused. */
export function tryParse(b) {
  try {
    return parseEnvelope(b);
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    return null;
  }
}

/** The map in protected bytes: all of its faults are malformed. */
function readHeaders(b) {
  let item;
  try {
    item = readItem(b);
  } catch (e) {
    must(!(e instanceof Refused));
    throw e;
  }
  must(item.end === b.length && item.good && item.value instanceof Pairs && item.value.labels().every(isLabel));
  return item.value;
}

function readProtected(e, b, start) {
  const { value, end, good } = readItem(b, start, 2);
  must(isBytes(value) && good);
  must(value.length <= 1024, 'too-large');
  const headers = readHeaders(value), labels = headers.labels();
  const passedOver = labels.filter((label) => isInteger(label) && label >= -1935933440 && label <= -1935900673);
  must(holdsOnly(labels, [1, 4, 5, POSITION, CHUNKING, SIGNATURE, CODING, ...passedOver]), 'unsupported');
  const alg = headers.lookUp(1), coded = labels.includes(CODING);
  must(!labels.includes(1) || alg === 3 || alg === CHUNKED, 'unsupported');
  e.protected = value;
  e.chunked = alg === CHUNKED;
  const position = e.position = headers.lookUp(POSITION), coding = e.coding = headers.lookUp(CODING);
  must(isLike(labels, [1, POSITION, ...(e.chunked ? [CHUNKING] : []), ...(coded ? [CODING] : []), ...passedOver]));
  must(isBytes(position, e.alone ? 60 : 28) && (!coded || isBytes(coding, 6)));
  must(passedOver.every((label) => isBytes(headers.lookUp(label), 0, 256)));
  if (e.chunked) {
    must(isBytes(headers.lookUp(CHUNKING), 20));
    e.size = toInteger(headers.lookUp(CHUNKING).subarray(16));
    must(e.size >= 4096 && e.size <= 1 << 20);
  }
  e.form = position[0];
  e.created = toInteger(position.subarray(22, 26));
  e.boundHeaders = toInteger(position.subarray(26, 28));
  e.commitment = position.subarray(28);
  must(e.form < 16 && (!coded || coding[0] < 2 && coding[1] < 2), 'unsupported');
  must(!(e.form & 1 && e.boundHeaders));
  must(!areZero(position.subarray(1, 6)) || areZero(position.subarray(6, 22)) && !(e.form & 10));
  must(!coded || !areZero(coding) && (coding[0] || areZero(coding.subarray(2))));
  return end;
}

/** Position zero but for created and the commitment: what kinds 2 to 4 have. */
export const hasNoPlace = (e) => areZero(e.position.subarray(0, 22)) && e.boundHeaders === 0;
export const isKeyRecord = (e) => e.alone && !e.chunked && !e.coding && hasNoPlace(e) && e.pieces[0].length === 28;

function readUnprotected(e, b, start) {
  const { value: headers, end, good } = readItem(b, start, 2);
  must(headers instanceof Pairs);
  must(end - start <= 1024, 'too-large');
  const labels = headers.labels(), signed = labels.includes(SIGNATURE);
  must(good && labels.every(isLabel));
  must(holdsOnly(labels, [1, 4, 5, POSITION, CHUNKING, SIGNATURE, CODING]), 'unsupported');
  must(isLike(labels, [...(e.alone ? [] : [4]), ...(e.chunked ? [] : [5]), ...(signed ? [SIGNATURE] : [])]));
  [e.kid, e.iv, e.signature] = [4, 5, SIGNATURE].map((label) => headers.lookUp(label));
  must((e.alone || isBytes(e.kid, 16)) && (e.chunked || isBytes(e.iv, 12)) && (!signed || isBytes(e.signature, 80)));
  return end;
}

/** pieces: IV, ciphertext and tag of each chunk. */
function readCiphertext(e, { value, end, good }) {
  if (!e.chunked) {
    must(isBytes(value) && good && value.length >= 16);
    must(value.length <= (1 << 20) + 16, 'too-large');
    e.pieces = [joinBytes(e.iv, value)];
    return end;
  }
  must(value instanceof Segments && value.length > 1 && value.every(([, short]) => short));
  e.pieces = value.map(([bytes]) => bytes);
  must(e.pieces.every((piece, i) => (i < value.length - 1 ? piece.length === e.size + 28
    : piece.length > 28 && piece.length <= e.size + 28)));
  return end;
}

function readRecipients(e, b, start) {
  const { value, end } = readItem(b, start, 2);
  must(Array.isArray(value) && !(value instanceof Pairs) && value.length && b[start] === 0x80 + value.length);
  must(end - start <= 16384, 'too-large');
  e.front = b.subarray(0, start);
  for (let i = 0, at = start + 1; i < value.length; i++) at = readRecipient(e, b, at);
}

function readRecipient(e, b, start) {
  const { value, end, good } = readItem(b, start, 3);
  must(Array.isArray(value) && !(value instanceof Pairs) && (b[start] === 0x83 || b[start] === 0x84));
  must(value.length === 3, 'unsupported');
  const [inner, headers, wrapped] = value;
  must(isBytes(inner) && headers instanceof Pairs && isBytes(wrapped) && good && headers.labels().every(isLabel));
  const maps = [headers, inner.length ? readHeaders(inner) : new Pairs()];
  must(!maps.some((map) => map.labels().includes(2)), 'unsupported');
  const algs = maps.filter((map) => map.labels().includes(1)).map((map) => map.lookUp(1));
  must(algs.length === 1 && isLabel(algs[0]));
  const row = ROWS.get(algs[0]), kid = headers.lookUp(4);
  if (!row) return end; // an algorithm that is passed over
  must(isBytes(kid, row[0], row[1]) && isBytes(wrapped, row[2], row[3]));
  let ephemeral;
  if (algs[0] === -31) {
    const key = headers.lookUp(-1);
    must(toHex(inner) === 'a101381e' && isLike(headers.labels(), [4, -1]) && key instanceof Pairs);
    must(isLike(key.labels(), [1, -1, -2]) && key.lookUp(1) === 1 && key.lookUp(-1) === 4);
    ephemeral = key.lookUp(-2);
    must(isBytes(ephemeral, 32));
  } else {
    must(inner.length === 0 && isLike(headers.labels(), [1, 4]));
  }
  e.recipients.push({ alg: algs[0], kid, wrapped, ephemeral });
  return end;
}
