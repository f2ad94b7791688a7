// Undoes padding and compression: docs/envelope.md, section 16.

import * as zstd from '@bokuweb/zstd-wasm';

import { Refused, must } from './cbor.mjs';

const LARGEST_WINDOW = 8 << 20, LARGEST_BLOCK = 1 << 17, LARGEST_DICTIONARY = 112640;
const LARGEST_INFLATED = 256 << 20; // the library has no error for memory that it does not get
const NO_ROOM = -70; // ZSTD_error_dstSize_tooSmall
const EMPTY_FRAME = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0);
const toSize = (bytes) => bytes.reduceRight((n, byte) => n * 256 + byte, 0); // little-endian
let started;

export async function undoCoding(b, coding, dictionary, limit) {
  if (coding[1]) b = removePadding(b);
  return coding[0] ? inflateFrame(b, dictionary, Math.min(limit, LARGEST_INFLATED)) : b;
}

function removePadding(b) {
  const end = b.findLastIndex((byte) => byte !== 0);
  must(b[end] === 0x80);
  return b.subarray(0, end);
}

/** Checks heads before the library sees the frame, since the library makes room for the size that a frame names. */
async function inflateFrame(b, dictionary, limit) {
  const frame = readFrame(b);
  must([0, dictionary ? toSize(dictionary.subarray(4, 8)) : 0].includes(frame.dictionary));
  must(frame.window <= LARGEST_WINDOW && (frame.size ?? 0) <= limit, 'too-large');
  const { heads, most, end } = readBlocks(b, frame);
  must((frame.size ?? 0) <= most);
  const tryInflate = async (bytes) => {
    const room = Math.min(most, limit + LARGEST_BLOCK); // so that the block that passes the limit is judged too
    const { inflated, fault } = await inflate(bytes, dictionary, room);
    must(fault !== NO_ROOM || frame.size !== undefined || room === most, 'too-large');
    must(frame.size !== undefined || !(inflated?.length > limit), 'too-large');
    return inflated;
  };
  const inflated = end && await tryInflate(b.subarray(0, end));
  if (inflated && inflated.length <= most && end === b.length) return inflated;
  const tryFirst = (count) => tryInflate(cutFrame(b, heads, count));
  if (!inflated && frame.size === undefined) await tryBlocks(tryFirst, heads.length);
  throw new Refused('malformed');
}

/** Inflates the blocks before the broken one: they may pass the limit. */
async function tryBlocks(tryFirst, count) {
  let good = 0, bad = count;
  while (good + 1 < bad) {
    const middle = good + bad >> 1;
    if (await tryFirst(middle)) good = middle;
    else bad = middle;
  }
}

/** A frame of the first blocks only. */
function cutFrame(b, heads, count) {
  const cut = b.slice(0, heads[count]);
  cut[4] &= ~4; // no checksum
  cut[heads[count - 1]] |= 1; // the last block
  return cut;
}

/** RFC 8878, 3.1.1.1. size: the content size, if the frame has it. */
function readFrame(b) {
  must(b.length > 5 && toSize(b.subarray(0, 4)) === 0xfd2fb528 && !(b[4] & 8));
  const single = b[4] >> 5 & 1, width = [0, 1, 2, 4][b[4] & 3], wide = [single, 2, 4, 8][b[4] >> 6];
  const at = 6 - single, blocks = at + width + wide;
  must(b.length >= blocks);
  const size = wide ? toSize(b.subarray(at + width, blocks)) + (wide === 2 ? 256 : 0) : undefined;
  const window = single ? size : (8 + (b[5] & 7)) * 2 ** (7 + (b[5] >> 3));
  return { window, size, dictionary: toSize(b.subarray(at, at + width)), blocks, checksum: b[4] & 4 };
}

/**
 * RFC 8878, 3.1.1.2: where the blocks begin, and where the last whole one ends; how much they hold at most; where the
 * frame ends, if no head is wrong and nothing is missing.
 */
function readBlocks(b, frame) {
  const largest = Math.min(frame.window, LARGEST_BLOCK), heads = [frame.blocks];
  for (let most = 0; ;) {
    const at = heads.at(-1), head = toSize(b.subarray(at, at + 3)), kind = head >> 1 & 3, size = head >> 3;
    const end = at + 3 + (kind === 1 ? 1 : size);
    if (end > b.length || kind === 3 || size > largest) return { heads, most };
    heads.push(end);
    most += kind === 2 ? largest : size;
    if (head & 1) return { heads, most, end: end + frame.checksum <= b.length ? end + frame.checksum : undefined };
  }
}

/** { inflated } or { fault: the library's number of it }. */
async function inflate(frame, dictionary, room) {
  await (started ??= zstd.init());
  const context = zstd.createDCtx(), options = { defaultHeapSize: room };
  try {
    if (!dictionary) return { inflated: zstd.decompress(frame, options) };
    return { inflated: zstd.decompressUsingDict(context, frame, dictionary, options) };
  } catch (e) {
    return { fault: Number(/-?\d+$/.exec(e.message)) };
  } finally {
    zstd.freeDCtx(context);
  }
}

export async function isDictionary(d) {
  if (d.length < 8 || d.length > LARGEST_DICTIONARY || toSize(d.subarray(0, 4)) !== 0xec30a437) return false;
  return 'inflated' in await inflate(EMPTY_FRAME, d, 0);
}
