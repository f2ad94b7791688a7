// Compares decrypt.mjs, which knows the specification only, with the built command: exit code 1 where the two differ.
//
//     node against_command.mjs ../../../bin/streamcrypt
//
// The command makes files of every form, which must come back as they were. Then files are damaged: the two must print
// the same and say the same word. ../python/against_command.py tries more damage.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Refused, fromText, joinBytes, readItem, toInteger } from './cbor.mjs';
import { decryptFile, openStore } from './decrypt.mjs';
import { sumCrc } from './files.mjs';
import { loadKey, loadSigner } from './keys.mjs';
import { formatLine } from './lines.mjs';
import { Opener } from './opener.mjs';

const WORDS = 'not-an-envelope malformed unsupported truncated too-large unknown-key wrong-key untrusted '
  + 'unknown-dictionary tampered bare-tombstone reserved-header header';
const REASON = new RegExp(`: (${WORDS.replaceAll(' ', '|')})(?=:|$|")`, 'g');
const CHUNK = 1 << 16, MAGIC = 8;
const PUBLIC = ['local:a', 'x25519:x.pub', 'rsa:r.pub'], PRIVATE = ['local:a', 'x25519:x', 'rsa:r'];
const REF = ['--profile=ref', '--keystore=file:store'];
const built = fileURLToPath(new URL('../../../bin/streamcrypt', import.meta.url));
const command = resolve(process.argv[2] ?? built), dir = mkdtempSync(join(tmpdir(), 'interop-'));
const keys = {}, signers = [];
let compared = 0, differ = 0;

/** Runs the command: { code, out, err }. */
function runCommand(...args) {
  const env = { STREAMCRYPT_LOG_LEVEL: 'error', STREAMCRYPT_PROGRESS: 'none', GOMAXPROCS: '1' };
  const child = spawn(command, args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] }), out = [], err = [];
  child.stdout.on('data', (data) => out.push(data));
  child.stderr.on('data', (data) => err.push(data));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => done({ code, out: joinBytes(...out), err: Buffer.concat(err).toString() }));
  });
}

async function mustRun(...args) {
  const { code, out, err } = await runCommand(...args);
  if (code) throw new Error(`${args.join(' ')}: ${err}`);
  return out;
}

const writeFile = (name, data) => writeFileSync(join(dir, name), data, { mode: 0o600 });
const readFile = (name) => new Uint8Array(readFileSync(join(dir, name)));

async function encrypt(source, to, ...flags) {
  await mustRun('encrypt', `--from=file:${source}`, `--to=file:${to}`, '--overwrite', ...flags);
  return readFile(to);
}

async function makeKeys() {
  for (const [kind, name] of [['local', 'a'], ['local', 'b'], ['x25519', 'x'], ['rsa', 'r'], ['ed25519', 's']]) {
    await mustRun('keygen', kind, '--out', name);
    if (kind !== 'local') writeFile(`${name}.pub`, await mustRun('keygen', '--public', name));
    if (kind !== 'ed25519') keys[`${kind}:${name}`] = await loadKey(readFileSync(join(dir, name), 'utf8'));
  }
  signers.push(await loadSigner(readFileSync(join(dir, 's.pub'), 'utf8')));
  mkdirSync(join(dir, 'store'));
}

/** The word in the last thing that the command said. */
function findReason(err) {
  const said = err.split('\n').filter((line) => line.startsWith('streamcrypt: ') || line.includes('"level":"ERROR"'));
  return [...(said.at(-1) ?? '').matchAll(REASON)][0]?.[1] ?? err.slice(-200);
}

/** JSON lines may be escaped in more than one way. */
const showOutput = (bytes, isLines) => (isLines
  ? new TextDecoder().decode(bytes).split('\n').map(showLine).join('\n') : Buffer.from(bytes).toString('latin1'));
const showLine = (line) => (line ? JSON.stringify(sortFields(JSON.parse(line))) : '');
const sortFields = (fields) => Object.fromEntries(Object.entries(fields).sort());

/** Both read a file. expect must come out of it; without it they need only agree. */
async function compare(name, file, expect, reader = {}) {
  const { use = ['local:a'], context = '', bind = [], store, signed, flags = [] } = reader;
  const isLines = /\.(scx|ndjson)$/.test(file);
  const printed = runCommand('decrypt', `--from=file:${file}`, `--to=file:-${isLines ? '?format=ndjson' : ''}`,
    `--key=${use}`, `--context=${context}`, ...bind.map((n) => `--bind=header:${n}`), ...flags,
    ...(store ? [`--keystore=file:${store}`] : []), ...(signed ? ['--signer=s.pub'] : []));
  const opener = new Opener({ keys: use.map((key) => keys[key]), context: fromText(context), limit: 1 << 30,
    ...(store && openStore(join(dir, store))), ...(signed && { signers }) });
  const pieces = [];
  let word = 'ok';
  try {
    await decryptFile(join(dir, file), opener, bind.map(fromText), (bytes) => pieces.push(bytes));
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    word = e.message;
  }
  const { code, out, err } = await printed, says = code === 0 ? 'ok' : findReason(err), ours = joinBytes(...pieces);
  const show = (bytes) => showOutput(bytes, isLines);
  compared++;
  let fault = '';
  if (word !== says) fault = `decrypt.mjs says ${word}, the command ${says}`;
  else if ((isLines || word === 'ok') && show(ours) !== show(out)) fault = `${word}, but they print different things`;
  else if (expect && (word !== 'ok' || show(ours) !== show(expect))) fault = `${word}, and it does not come back`;
  if (!fault) return;
  differ++;
  console.log(`${name}: ${fault}`);
}

async function compareDamaged(name, suffix, data, reader) {
  writeFile(`damaged${suffix}`, data);
  await compare(name, `damaged${suffix}`, undefined, reader);
}

const flipBit = (data, at, bit = 1) => data.map((byte, i) => (i === at ? byte ^ bit : byte));

async function compareRawFiles() {
  for (const size of [0, 1, CHUNK, CHUNK + 1, 2 << 20]) {
    const payload = joinBytes(randomBytes(size >> 1), new Uint8Array(size - (size >> 1)));
    writeFile('plain', payload);
    await encrypt('plain', 'many', `--key=${PUBLIC}`, '--context=orders');
    for (const [i, key] of PRIVATE.entries()) {
      await encrypt('plain', 'one', `--key=${PUBLIC[i]}`);
      await compare(`raw ${size} ${key}`, 'one', payload, { use: [key] });
      await compare(`raw ${size} several ${key}`, 'many', payload, { use: [key], context: 'orders' });
    }
    await compare(`raw ${size} another context`, 'many', undefined, { context: 'order' });
    await compare(`raw ${size} another key`, 'many', undefined, { use: ['local:b'], context: 'orders' });
    await compare(`raw ${size} unsigned`, 'one', undefined, { use: ['rsa:r'], signed: true });
    await encrypt('plain', 'ref', '--key=local:a', ...REF);
    await compare(`raw ${size} by reference`, 'ref', payload, { store: 'store' });
    for (const flags of [['--compress=zstd'], ['--pad=padme'], ['--compress=zstd', '--pad=4096'], ['--sign=s'],
      ['--chunk-size=4096', '--nonce=random']]) {
      await encrypt('plain', 'coded', '--key=local:a', ...flags);
      await compare(`raw ${size} ${flags}`, 'coded', payload, { signed: flags[0] === '--sign=s' });
    }
  }
}

async function compareDamagedRaw() {
  writeFile('plain', 'hello');
  const single = await encrypt('plain', 'single', '--key=local:a');
  for (let at = 1; at < single.length; at += 5) {
    await compareDamaged(`raw, byte ${at} flipped`, '', flipBit(single, at));
    if (at % 3 === 0) await compareDamaged(`raw, cut at ${at}`, '', single.subarray(0, at));
  }
  writeFile('plain', randomBytes(10000));
  const data = await encrypt('plain', 'form3', '--key=local:a', '--chunk-size=4096');
  const other = await encrypt('plain', 'form3', '--key=local:a', '--chunk-size=4096');
  const { end } = readItem(data, 2), front = data.subarray(0, end), rest = data.subarray(end);
  for (let at = 0; at < end + 160; at += 13) {
    await compareDamaged(`form 3, byte ${at} flipped`, '', flipBit(data, at, 4));
  }
  for (const [name, bad] of Object.entries({
    'no break': data.subarray(0, -1),
    'more behind': joinBytes(data, Uint8Array.of(0)),
    'record of another': joinBytes(other.subarray(0, end), rest),
    'no key record': rest,
    'only a key record': front,
    'two key records': joinBytes(front, data),
    'last tag flipped': flipBit(data, data.length - 2),
  })) await compareDamaged(`form 3, ${name}`, '', bad);
}

/** Lines with everything that a message can have. */
function makeMessages() {
  const header = (name, value) => [fromText(name), value === null ? null : fromText(value)];
  const make = (key, headers, time, subject, value) => {
    const toBytes = (x) => (typeof x === 'string' ? fromText(x) : x);
    return formatLine({ key: toBytes(key), headers, time, subject: toBytes(subject), value: toBytes(value) });
  };
  const several = [header('tenant', 't1'), header('h', '1'), header('h', '2'), header('g', null)];
  const many = Array.from({ length: 50 }, (_, i) => header(`h${i % 20}`, i % 3 ? null : `${i}`));
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  return [
    make('k1', several, 1704164645678, 's.1', 'v1'),
    make('k1', [header('tenant', 't1')], 1704164645000, null, null),
    make(null, [], null, null, ''),
    make('', [header('', '')], 0, '', 'empty key'),
    make(Uint8Array.of(255, 0), [[fromText('bin'), Uint8Array.of(254)]], -1, null, bytes),
    make('k', [], 253402300799999, null, '<&>\u2028\u0001 \u{1f600}"\\/\x7f\b\f'),
    make('long', [header('h', 'x'.repeat(3000))], null, null, randomBytes(3 * CHUNK)),
    make('many', many, null, null, 'headers'),
  ];
}

async function compareRecordFiles() {
  const plain = joinBytes(...makeMessages());
  writeFile('plain.ndjson', plain);
  for (const to of ['all.scx', 'all.ndjson']) {
    await encrypt('plain.ndjson', to, `--key=${PUBLIC}`);
    for (const key of PRIVATE) await compare(`${to} ${key}`, to, plain, { use: [key] });
    await compare(`${to} another key`, to, undefined, { use: ['local:b'] });
    await compare(`${to} another context`, to, undefined, { context: 'orders' });
    await encrypt('plain.ndjson', to, '--key=local:a', '--context=orders', '--bind=header:tenant,header:h,header:none');
    await compare(`${to} named`, to, plain, { context: 'orders', bind: ['none', 'tenant', 'h'] });
    await compare(`${to} named otherwise`, to, undefined, { context: 'orders', bind: ['tenant'] });
    await encrypt('plain.ndjson', to, '--key=local:a,local:b', '--window-messages=2', ...REF);
    await compare(`${to} by reference`, to, plain, { use: ['local:b'], store: 'store' });
    await encrypt('plain.ndjson', to, '--key=local:a', '--compress=zstd', '--sign=s');
    await compare(`${to} compressed and signed`, to, plain, { signed: true });
  }
}

const frameRecord = (content) => {
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, content.length);
  head.setUint32(4, sumCrc(content));
  return joinBytes(new Uint8Array(head.buffer), content);
};

async function compareDamagedArchive() {
  let plain = new Uint8Array();
  for (const line of makeMessages().slice(0, 4)) {
    plain = joinBytes(plain, line);
    writeFile('grows.ndjson', plain);
    await mustRun('encrypt', '--from=file:grows.ndjson', '--to=file:grows.scx', '--key=local:a', '--checkpoint=ck');
  }
  await compare('appended to', 'grows.scx', plain);
  const data = readFile('grows.scx'), records = [];
  for (let at = MAGIC, size; at < data.length; at += 8 + size) {
    size = toInteger(data.subarray(at, at + 4));
    records.push(data.subarray(at + 8, at + 8 + size));
  }
  const build = (...list) => joinBytes(data.subarray(0, MAGIC), ...list.map(frameRecord));
  for (let at = 0; at < data.length; at += 41) {
    await compareDamaged(`seq, byte ${at} flipped`, '.scx', flipBit(data, at, at % 2 ? 1 : 16));
    if (at % 2) await compareDamaged(`seq, cut at ${at}`, '.scx', data.subarray(0, at));
  }
  for (const [i, record] of records.entries()) {
    const [type, body] = [record[0], record.subarray(1)];
    for (const [name, changed] of Object.entries({
      dropped: [],
      'type 4': [joinBytes(Uint8Array.of(4), body)],
      'type 128': [joinBytes(Uint8Array.of(128), body)],
      more: [joinBytes(record, Uint8Array.of(0))],
      empty: [Uint8Array.of(type)],
    })) {
      const changes = build(...records.slice(0, i), ...changed, ...records.slice(i + 1));
      await compareDamaged(`seq, record ${i} ${name}`, '.scx', changes);
    }
  }
  const flags = ['--on=duplicate=pass', '--on=reordered=pass'];
  await compareDamaged('seq, twice', '.scx', build(records[0], ...records), { flags });
  await compareDamaged('seq, swapped', '.scx', build(records[1], records[0], ...records.slice(2)), { flags });
}

/** A line, changed in the ways that section 9 has a rule for; some changes are allowed. */
async function compareChangedLines() {
  writeFile('plain.ndjson', '{"key":"k","value":"v"}\n');
  const sealed = await encrypt('plain.ndjson', 'line.ndjson', '--key=local:a', '--bind=none');
  const line = new TextDecoder().decode(sealed).trimEnd();
  const append = (more) => `${line.slice(0, -1)},${more}}`, replaceKey = (key) => line.replace('"key":"k"', key);
  const times = ['2024-02-29T00:00:00.999+01:30', '2024-02-30T00:00:00Z', '2024-01-01t00:00:00z',
    '2024-01-01T24:00:00Z', '2024-01-01T00:00:60Z', '2024-01-01T00:00:00', '1969-12-31T23:59:59.9Z', ''];
  for (const changed of [
    `\ufeff\n${line}\n \t\r\n`, line + line, `[${line}]`, '{"key":"k"}', line.replace('key', 'Key'),
    append('"more":1'), append('"key":"k"'), append('"key64":"aw=="'),
    ...['"key64":"ax=="', '"key64":"aw\\n=="', '"key":{"b64":"aw=="}', '"key":"\\ud800"', '"key":1'].map(replaceKey),
    append('"headers":[["a","b"],["c:",null],[{"b64":"/w=="},{"b64":"/w=="}]]'), append('"headers":[["a","b","c"]]'),
    append('"headers":[[null,"b"]]'), append('"headers":[[{"b64":"/w==","b64":"/w=="},"b"]]'), append('"headers":{}'),
    append('"headers":null'), ...times.map((time) => append(`"time":"${time}"`)),
  ]) await compareDamaged(`line ${changed}`, '.ndjson', fromText(`${changed}\n`));
}

try {
  await makeKeys();
  for (const part of [compareRawFiles, compareDamagedRaw, compareRecordFiles, compareDamagedArchive,
    compareChangedLines]) await part();
} finally {
  rmSync(dir, { recursive: true });
}
console.log(`against_command: ${compared} comparisons, ${differ} differ`);
process.exitCode = differ ? 1 : 0;
