// Holds this decryptor against all vectors of docs/vectors. Exit code 1: it says another word, or gives other bytes.

import { readFileSync, readdirSync } from 'node:fs';

import { Refused, encodeItem, readItem, toHex } from './cbor.mjs';
import { parseEnvelope } from './envelope.mjs';
import { Archive, checkReceipt, formatReceipt, openRaw } from './files.mjs';
import { expandKey, fromHex, hash, loadKey, loadSigner } from './keys.mjs';
import { Opener } from './opener.mjs';

const unhex = (text) => text && fromHex(text) || (text === '' ? new Uint8Array() : null);
const toHexOrNull = (bytes) => bytes && toHex(bytes);
const toTime = (time) => (typeof time === 'string' ? BigInt(time) : time);
const readHeaders = (headers = []) => headers.map(([name, value]) => [unhex(name), unhex(value)]);

/** The file's JSON; integers too large for a double come as strings. */
function loadVectors(name) {
  const text = readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8');
  return JSON.parse(text.replace(/":(-?\d{16,})/g, '":"$1"'));
}

const shared = loadVectors('shared');
const toJson = (name) => JSON.stringify(shared.keys[name].jwk);

async function makeOpener(v) {
  const records = (v.records ?? []).map(unhex);
  const options = {
    keys: await Promise.all(v.keys.map((name) => loadKey(shared.keys[name].pem ?? toJson(name)))),
    context: unhex(v.context),
    keyContext: unhex(v.key_context) ?? undefined,
    signers: await Promise.all((v.signers ?? []).map((name) => loadSigner(shared.signers[name]))),
    skew: v.skew ?? 300,
    now: v.now,
    maxAge: v.max_age,
    limit: v.limit ?? 1 << 20,
    findRecords: () => records,
    dictionaries: (v.dictionaries ?? []).map(unhex),
    dictionaryRecords: (v.dictionary_records ?? []).map(([name, record]) => [unhex(name), unhex(record)]),
  };
  return new Opener(options);
}

/** What step says, ok or a word. */
async function findWord(step) {
  try {
    return await step() ?? 'ok';
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    return e.message;
  }
}

async function comparePayload(v, payload) {
  if (v.expect !== 'ok') return 'ok';
  if ('plaintext' in v) return toHex(payload) === v.plaintext ? 'ok' : 'another payload';
  const same = payload.length === v.plaintext_length && toHex(await hash(payload)) === v.plaintext_sha256;
  return same ? 'ok' : 'another payload';
}

const checkEnvelope = (v) => findWord(async () => {
  const opener = await makeOpener(v), e = parseEnvelope(unhex(v.envelope));
  const { payload, extra } = await opener.open(e, v.kind, { subject: unhex(v.subject), key: unhex(v.key),
    headers: readHeaders(v.headers), time: toTime(v.time), medium: v.medium, bind: (v.bind ?? []).map(unhex) });
  return extra === (v.extra ?? 0) ? comparePayload(v, payload) : `${extra} extra headers`;
});

const checkRaw = (v) => findWord(async () => comparePayload(v, await openRaw(unhex(v.file), await makeOpener(v))));

async function checkArchive(v) {
  const archive = new Archive(await makeOpener(v), (v.bind ?? []).map(unhex));
  const word = await findWord(() => archive.run(unhex(v.file)));
  const shown = archive.messages.map(({ key, headers, time, subject, value }) => [toHexOrNull(key),
    headers.map(([name, x]) => [toHex(name), toHexOrNull(x)]), time, toHexOrNull(subject), toHexOrNull(value)]);
  if (JSON.stringify(shown) !== JSON.stringify(v.messages)) return `${word}, but other messages`;
  if (archive.ends.length !== v.ends) return `${word}, but ${archive.ends.length} ends`;
  if (word !== 'ok') return word;
  const last = archive.ends.at(-1);
  if (formatReceipt(last) !== v.receipt || last.flags !== v.flags) return 'another last end';
  const wrong = (v.receipts ?? []).filter(([line, expect]) => checkReceipt(archive.ends, line) !== expect);
  return wrong.length ? `ok, but receipts ${wrong}` : 'ok';
}

/** numbers.json: the results that a decryptor needs. Numbers of the Gate and of message ids it does not have. */
async function checkNumber(v) {
  const results = {
    source: async () => (await hash(unhex(v.cbor))).subarray(0, 5),
    fingerprint: async () => (await hash(unhex(v.cbor))).subarray(0, 8),
    commitment: () => expandKey(unhex(v.dek), 'streamcrypt/1 commitment'),
    kid: () => findKid(v),
    label: () => checkSignature(v, unhex(v.label), 16),
    payload: () => checkSignature(v, unhex(v.payload), 69),
    cbor: () => encodeItem(readItem(unhex(v.cbor), 0, 1, false).value),
  };
  const wrong = [];
  for (const [name, find] of Object.entries(results)) {
    if (typeof v[name] === 'string' && toHex(await find()) !== v[name]) wrong.push(name);
  }
  return wrong.length ? `another ${wrong}` : 'ok';
}

async function findKid(v) {
  if (v.cka_id ?? v.public) return (await hash(unhex(v.cka_id ?? v.public))).subarray(0, 8);
  if (v.dek) return (await expandKey(unhex(v.dek), 'streamcrypt/1 commitment')).subarray(0, 16);
  if (v.key) return (await makeOpener({ keys: [v.key], context: '' })).keys[0].kid;
  return (await loadSigner(shared.signers[v.signer])).kid;
}

async function checkSignature(v, bytes, at) {
  const { verify } = await loadSigner(shared.signers[v.signer]);
  return await verify(bytes.subarray(at), readItem(unhex(v.cbor)).value) ? bytes : new Uint8Array();
}

/** Files that browsers must be able to run, and that need Node. */
const findNode = () => readdirSync(new URL('.', import.meta.url))
  .filter((name) => name.endsWith('.mjs') && !['decrypt.mjs', 'check.mjs', 'against_command.mjs'].includes(name))
  .filter((name) => /node:|\b(Buffer|process|require)\b/.test(readFileSync(new URL(name, import.meta.url), 'utf8')));

const counts = [];
let wrong = findNode().length;
if (wrong) console.log(`not for browsers: ${findNode()}`);
for (const [name, check] of Object.entries({ positive: checkEnvelope, negative: checkEnvelope, rawfiles: checkRaw,
  archives: checkArchive, numbers: checkNumber })) {
  const vectors = loadVectors(name);
  for (const v of vectors) {
    const word = await check(v), expect = v.expect ?? 'ok';
    if (word === expect) continue;
    wrong++;
    console.log(`${name}: ${v.name}: ${expect} expected, ${word}`);
  }
  counts.push(`${vectors.length} ${name}`);
}
console.log(`check: ${counts.join(', ')}; ${wrong} wrong`);
process.exitCode = wrong ? 1 : 0;
