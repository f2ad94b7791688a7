// Reads raw files and archives: docs/envelope.md, section 9.

import {
  Pairs, Refused, encodeItem, fromText, isBytes, isSame, must, readItem, toHex, toInteger,
} from './cbor.mjs';
import { isKeyRecord, parseEnvelope, tryParse } from './envelope.mjs';
import { hash } from './keys.mjs';
import { END, KEY_RECORD, NO_TIME, TOMBSTONE, VALUE } from './opener.mjs';

const MAGIC = fromText('SCXSEQ1\n'), HEADER = fromText('streamcrypt');
const MOST_DICTIONARIES = 16;
const isHeader = ([name]) => isSame(name, HEADER);

/** The payload of a raw file, in one of its three forms. */
export async function openRaw(b, opener) {
  let record = null, rest = b;
  if (b[0] === 0xd8 && b[1] === 0x60) {
    const { end } = readItem(b, 2);
    if (end < b.length) {
      must(b[end] === 0xd0);
      record = tryParse(b.subarray(0, end));
      rest = b.subarray(end);
      must(record);
    }
  }
  const e = parseEnvelope(rest);
  if (record) {
    must(e.chunked);
    must(isSame(e.kid, record.commitment.subarray(0, 16)), 'wrong-key');
    await opener.open(record, KEY_RECORD, { medium: 'raw' });
    opener.findRecords = () => [record.whole];
  }
  return (await opener.open(e, VALUE, { medium: 'raw' })).payload;
}

/** A message { key, headers, time, subject, value } as before sealing, without headers that nothing authenticates. */
export async function openMessage(opener, message, bind = []) {
  const { headers, value } = message, sealed = headers.filter(isHeader);
  must(value || sealed.length, 'bare-tombstone');
  must(sealed.length === (value ? 0 : 1), 'reserved-header');
  const e = parseEnvelope(value ?? sealed[0][1] ?? new Uint8Array());
  const { payload, extra } = await opener.open(e, value ? VALUE : TOMBSTONE, { ...message, medium: 'file', bind });
  const kept = headers.filter((header) => !isHeader(header));
  return { ...message, headers: kept.slice(0, kept.length - extra), value: value ? payload : null };
}

/** An archive. messages and ends hold those that have verified, also after a Refused. */
export class Archive {
  constructor(opener, bind = []) {
    Object.assign(this, { opener, bind, messages: [], ends: [], section: [], sections: [], records: new Map() });
    const { findRecords } = opener;
    opener.findRecords = async (kid) => [...this.records.get(toHex(kid)) ?? [], ...await findRecords(kid)];
  }

  async run(b) {
    const begin = b.subarray(0, MAGIC.length);
    must(isSame(begin, MAGIC), isSame(begin, MAGIC.subarray(0, b.length)) ? 'truncated' : 'malformed');
    let at = MAGIC.length, type;
    while (at < b.length) {
      must(at + 8 <= b.length, 'truncated');
      const size = toInteger(b.subarray(at, at + 4)), crc = toInteger(b.subarray(at + 4, at + 8));
      const content = b.subarray(at + 8, at + 8 + size);
      at += 8 + size;
      must(at <= b.length, 'truncated');
      must(size && sumCrc(content) === crc, at === b.length ? 'truncated' : 'malformed');
      type = content[0];
      must(type < 4 || type > 127);
      await this.readRecord(type, content.subarray(1));
    }
    must(type === 1, 'truncated');
  }

  async readRecord(type, body) {
    if (type === 0) await this.readMessage(body);
    else if (type === 1) await this.readEnd(body);
    else if (type < 4) this.readKeys(type, body);
    else this.cover(type, body);
  }

  async readMessage(body) {
    const message = readBody(body);
    this.cover(0, cutEnvelope(body, message));
    const { time, ...opened } = await openMessage(this.opener, message, this.bind);
    this.messages.push({ ...opened, time: time === NO_TIME ? null : time });
  }

  readKeys(type, body) {
    const e = tryParse(body);
    must(e?.alone && !e.chunked && (type === 3 || isKeyRecord(e)));
    if (type === 2) {
      const kid = toHex(e.commitment.subarray(0, 16));
      this.records.set(kid, [...this.records.get(kid) ?? [], body]);
    } else {
      this.opener.dictionaryRecords = [...this.opener.dictionaryRecords, [null, body]].slice(-MOST_DICTIONARIES);
    }
    this.cover(type, e.front);
  }

  cover(type, bytes) {
    this.section.push(Uint8Array.of(type), numberBytes(bytes.length), bytes);
  }

  async readEnd(body) {
    const { key, headers, time, subject, value } = readBody(body);
    must(key === null && headers.length === 0 && time === 0 && subject === null && value);
    const p = (await this.opener.open(parseEnvelope(value), END)).payload;
    must(p[20] < 4, 'unsupported');
    const signed = ['streamcrypt/1 archive', this.opener.context, p.subarray(0, 61)];
    must(!this.opener.signers.length
      || p.length === 133 && await this.opener.verify(p.subarray(61, 69), p.subarray(69), signed), 'untrusted');
    const id = p.subarray(0, 16), number = toInteger(p.subarray(16, 20)), flags = p[20], digest = p.subarray(29, 61);
    const last = this.ends.at(-1), section = await hash(...this.section);
    this.section = [];
    this.sections.push(section);
    const goesOn = last && isSame(last.id, id);
    must(goesOn ? number === last.number + 1 && (last.flags & flags) === last.flags
      : number === 1 && (!last || flags & 2), 'tampered');
    const expected = goesOn ? await hash(last.digest, section)
      : await hash(await hash(fromText('streamcrypt/1 archive'), id), await hash(...this.sections));
    const count = BigInt('0x' + toHex(p.subarray(21, 29)));
    must(isSame(digest, expected) && count === BigInt(this.messages.length), 'tampered');
    this.ends.push({ id, number, flags, count, digest });
  }
}

const numberBytes = (n) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);

/** The five elements of a body of type 0 or 1. */
function readBody(b) {
  let item;
  try {
    item = readItem(b, 0, 1, false);
  } catch (e) {
    must(!(e instanceof Refused));
    throw e;
  }
  must(item.end === b.length && item.good && isArray(item.value, 5));
  const [key, headers, time, subject, value] = item.value;
  must([key, subject, value].every((x) => x === null || isBytes(x)) && isArray(headers));
  must(['number', 'bigint'].includes(typeof time) && BigInt.asIntN(64, BigInt(time)) === BigInt(time));
  must(headers.every((h) => isArray(h, 2) && isBytes(h[0]) && (h[1] === null || isBytes(h[1]))));
  return { key, headers, time, subject, value };
}

const isArray = (value, length = value?.length) => Array.isArray(value) && !(value instanceof Pairs)
  && value.length === length;

/** The body with its envelope cut off before the recipients: the digest covers this. */
function cutEnvelope(body, { key, headers, time, subject, value }) {
  const sealed = headers.filter(isHeader);
  const e = tryParse(value ?? (sealed.length === 1 && sealed[0][1] || new Uint8Array()));
  if (!e?.alone) return body;
  const cut = value ? headers : headers.map((h) => (isHeader(h) ? [h[0], e.front] : h));
  return encodeItem([key, cut, time, subject, value && e.front]);
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n >>> 1 ^ (n & 1 ? 0x82f63b78 : 0);
  return n;
});

/** CRC-32C. */
export const sumCrc = (b) => ~b.reduce((crc, byte) => crc >>> 8 ^ CRC[(crc ^ byte) & 255], -1) >>> 0;

export const formatReceipt = ({ id, number, count, digest }) =>
  `${toHex(id)} ${toHex(numberBytes(number))} ${count.toString(16).padStart(16, '0')} ${toHex(digest)}\n`;

/** The word for an archive with these ends, of a reader that was given this receipt. */
export function checkReceipt(ends, line) {
  if (ends.some((end) => formatReceipt(end) === line)) return 'ok';
  const [id, number] = line.split(' ');
  const last = Math.max(...ends.filter((end) => toHex(end.id) === id).map((end) => end.number));
  return last < parseInt(number, 16) && last > 0 ? 'truncated' : 'tampered';
}
