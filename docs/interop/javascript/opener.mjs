// Opens envelopes: docs/envelope.md, sections 5 to 8, and section 10, steps 7 to 17.

import { Refused, encodeItem, fromText, isSame, joinBytes, must, toHex, toInteger } from './cbor.mjs';
import { isDictionary, undoCoding } from './coding.mjs';
import { hasNoPlace, isKeyRecord, tryParse } from './envelope.mjs';
import { expandKey, findRecipient, hash, unwrapKey } from './keys.mjs';

export const [VALUE, TOMBSTONE, KEY_RECORD, END, DICTIONARY] = [0, 1, 2, 3, 4];
export const NO_TIME = -62135596800000;
const MOST_TRIES = 16, LARGEST = 256 << 20;
const EFFECTS = ['KV-Operation', 'Streamcrypt-Msg-Id', 'Streamcrypt-Rollup', 'Streamcrypt-TTL'].map(fromText);
const UNCOUNTED = ['Streamcrypt-Key', 'Streamcrypt-Null', 'Streamcrypt-Part'].map(fromText); // in a stream
const HEADER = fromText('streamcrypt');

/**
 * What a reader is configured with. keys, signers: of keys.mjs. context, keyContext: bytes. skew, now, maxAge: seconds;
 * without now there is no clock. limit: bytes of payload. findRecords(kid): the key records of a store.
 * dictionaries: bytes. dictionaryRecords: [name or null, bytes].
 */
export class Opener {
  constructor(options) {
    Object.assign(this, { context: new Uint8Array(), signers: [], skew: 300, limit: LARGEST, findRecords: () => [],
      dictionaries: [], dictionaryRecords: [] }, options);
    this.keyContext ??= this.context;
  }

  /** The payload of a parsed envelope, and how many headers nothing authenticates. */
  async open(e, kind = VALUE, message = {}) {
    const { subject = null, key = null, headers = [], time = null, medium = 'file', bind = [] } = message;
    must(kind === VALUE || !e.chunked && !e.coding);
    must(kind < KEY_RECORD || hasNoPlace(e));
    must(kind !== KEY_RECORD && kind !== DICTIONARY || e.alone);
    const dek = await this.findKey(e);
    const hint = e.coding?.subarray(2), dictionaries = hint?.some(Boolean) ? await this.findDictionaries(hint) : [null];
    must(dictionaries.length, 'unknown-dictionary');
    const { bound, extra } = bindHeaders(e, headers, medium, bind);
    const when = e.form & 4 ? medium === 'stream' ? NO_TIME : time ?? NO_TIME : null;
    const context = kind === KEY_RECORD || kind === DICTIONARY ? this.keyContext : this.context;
    const external = ['streamcrypt/1', context, subject, key, bound, when];
    let { payload, dictionary } = await openPieces(e, dek, external, kind, dictionaries.slice(0, MOST_TRIES));
    must(this.now === undefined || e.created <= this.now + this.skew, 'skewed');
    must(this.now === undefined || this.maxAge === undefined || e.created >= this.now - this.maxAge, 'stale');
    if (e.coding) payload = await undoCoding(payload, e.coding, dictionary, this.limit);
    must(kind !== VALUE || payload.length <= this.limit, 'too-large');
    must(kind !== TOMBSTONE && kind !== KEY_RECORD || payload.length === 0);
    must(kind !== END || payload.length === 61 || payload.length === 133);
    must(kind !== DICTIONARY || await isDictionary(payload));
    return { payload, extra };
  }

  /** Steps 8 to 10. */
  async findKey(e) {
    if (!e.alone) return this.findKeyByReference(e);
    must(await this.isVouched(e, e.created), 'untrusted');
    const dek = await unwrapKey(this.keys, e.recipients);
    must(dek, 'unknown-key');
    must(await commits(e, dek), 'wrong-key');
    return dek;
  }

  /** The look-up of section 8. */
  async findKeyByReference(e) {
    const faults = new Set();
    let tries = 0;
    for (const record of (await this.findRecords(e.kid)).map(tryParse)) {
      if (!record || !isKeyRecord(record) || !isSame(record.commitment.subarray(0, 16), e.kid)) continue;
      if (!await this.isVouched(record, record.created) || !await this.isVouched(record, e.created)) {
        faults.add('untrusted');
        continue;
      }
      if (this.fits(record)) tries++;
      const dek = tries <= MOST_TRIES && await unwrapKey(this.keys, record.recipients);
      if (dek && await commits(record, dek)) return dek;
      faults.add(dek ? 'wrong-key' : 'unknown-key');
    }
    throw new Refused(['wrong-key', 'unknown-key', 'untrusted'].find((word) => faults.has(word)) ?? 'unknown-key');
  }

  fits(e) {
    return this.keys.some((key) => findRecipient(key, e.recipients));
  }

  /** Section 17. Without signers nobody looks. */
  async isVouched(e, created) {
    if (!this.signers.length) return true;
    if (!e.signature) return false;
    const from = toInteger(e.signature.subarray(8, 12)), until = toInteger(e.signature.subarray(12, 16));
    if (created < from - this.skew || created > until + this.skew) return false;
    const signed = ['streamcrypt/1 sealer', e.commitment, this.keyContext, from, until];
    return this.verify(e.signature.subarray(0, 8), e.signature.subarray(16), signed);
  }

  async verify(kid, signature, signed) {
    for (const signer of this.signers) {
      if (isSame(signer.kid, kid) && await signer.verify(signature, signed)) return true;
    }
    return false;
  }

  /** Section 16: the dictionaries whose hash begins with these four bytes. */
  async findDictionaries(hint) {
    const found = [], plain = new Opener({ ...this, context: this.keyContext, now: undefined });
    const begins = async (d, name) => isSame((await hash(d)).subarray(0, name.length), name);
    for (const d of this.dictionaries) if (await begins(d, hint) && await isDictionary(d)) found.push(d);
    let tries = 0;
    for (const [name, record] of this.dictionaryRecords) {
      const e = tryParse(record);
      if (!e || !isSame((name ?? hint).subarray(0, 4), hint) || tries === MOST_TRIES) continue;
      if (this.fits(e)) tries++;
      const d = await openOrNull(plain, e);
      if (d && await begins(d, name ?? hint)) found.push(d);
    }
    return found;
  }
}

const commits = async (e, dek) => isSame(await expandKey(dek, 'streamcrypt/1 commitment'), e.commitment);

async function openOrNull(opener, e) {
  try {
    return (await opener.open(e, DICTIONARY)).payload;
  } catch (fault) {
    if (!(fault instanceof Refused)) throw fault;
    return null;
  }
}

/** Section 5: what bound is, and how many counted headers stand behind the bound ones. */
function bindHeaders(e, headers, medium, bind) {
  if (e.form & 1) {
    const names = new Map([...bind, ...EFFECTS].map((name) => [toHex(name), name]));
    const list = [...names.keys()].sort().map((name) => names.get(name));
    return { bound: list.map((name) => [name, headers.filter(([n]) => isSame(n, name)).map(([, v]) => v)]), extra: 0 };
  }
  const counted = headers.filter(([name]) => !isSame(name, HEADER) && !(medium === 'stream' && isUncounted(name)));
  must(medium === 'stream' ? counted.length === e.boundHeaders : counted.length >= e.boundHeaders, 'tampered');
  if (medium === 'stream') counted.sort(([a], [b]) => (toHex(a) < toHex(b) ? -1 : toHex(a) > toHex(b) ? 1 : 0));
  return { bound: counted.slice(0, e.boundHeaders), extra: counted.length - e.boundHeaders };
}

const isUncounted = (name) => UNCOUNTED.some((other) => isSame(name, other))
  || isSame(name.subarray(0, 5).map((byte) => (byte >= 65 && byte <= 90 ? byte | 32 : byte)), fromText('nats-'));

/** Tries each dictionary; one that is not the sealer's makes every tag wrong. */
async function openPieces(e, dek, external, kind, dictionaries) {
  const key = await crypto.subtle.importKey('raw', dek, 'AES-GCM', false, ['decrypt']);
  for (const dictionary of dictionaries) {
    const digest = dictionary && await hash(dictionary), pieces = [];
    const seal = (i) => encodeItem([e.alone ? 'Encrypt' : 'Encrypt0', e.protected,
      encodeItem([...external, digest, kind, i, i === e.pieces.length - 1])]);
    try {
      for (const [i, piece] of e.pieces.entries()) {
        const algorithm = { name: 'AES-GCM', iv: piece.subarray(0, 12), additionalData: seal(i), tagLength: 128 };
        pieces.push(new Uint8Array(await crypto.subtle.decrypt(algorithm, key, piece.subarray(12))));
      }
      return { payload: joinBytes(...pieces), dictionary };
    } catch (fault) {
      if (!(fault instanceof DOMException)) throw fault;
    }
  }
  throw new Refused('tampered');
}
