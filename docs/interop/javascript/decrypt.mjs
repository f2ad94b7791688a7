// Opens files of streamcrypt without streamcrypt: the command. Written from docs/envelope.md alone.
//
//     node decrypt.mjs letter.enc key.jwk > letter.txt
//     node decrypt.mjs --signer sealer.pub --context orders orders.scx me.pem > orders.ndjson
//
// A raw file gives its bytes; .scx, .ndjson and .jsonl give lines of JSON. Everything printed has been verified, but
// only exit code 0 says that it was all of it. A refused file ends in its word on standard error and exit code 1.

import { readFileSync, readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { Refused, fromText, must, toHex } from './cbor.mjs';
import { Archive, checkReceipt, openMessage, openRaw } from './files.mjs';
import { fromHex, loadKey, loadSigner } from './keys.mjs';
import { formatLine, readLines } from './lines.mjs';
import { Opener } from './opener.mjs';

const USAGE = 'usage: node decrypt.mjs [--signer FILE] [--context TEXT] [--bind header:NAME] [--store DIR] '
  + '[--dictionary FILE] [--receipt FILE] [--limit BYTES] FILE KEY...';

/** Writes what a file holds. receipt is one that an archive must satisfy. */
export async function decryptFile(path, opener, bind, write, receipt) {
  const b = new Uint8Array(readFileSync(path));
  if (/\.(ndjson|jsonl)$/.test(path)) {
    for (const message of readLines(b)) write(formatLine(await openMessage(opener, message, bind)));
  } else if (path.endsWith('.scx')) {
    const archive = new Archive(opener, bind);
    try {
      await archive.run(b);
    } finally {
      archive.messages.forEach((message) => write(formatLine(message)));
    }
    const word = receipt === undefined ? 'ok' : checkReceipt(archive.ends, receipt);
    must(word === 'ok', word);
    must(!archive.ends.at(-1).flags, `complete, but flags are set: ${archive.ends.at(-1).flags}`);
  } else {
    write(await openRaw(b, opener));
  }
}

/** Key and dictionary records in a directory: KID, KID.1, KID.2 up to the first that is missing. */
export function openStore(directory) {
  const read = (name) => new Uint8Array(readFileSync(join(directory, name)));
  const names = new Set(readdirSync(directory));
  const listRecords = (name) => {
    const found = [];
    for (let i = 0; names.has(i ? `${name}.${i}` : name); i++) found.push(read(i ? `${name}.${i}` : name));
    return found;
  };
  const all = [...names].filter((name) => /^[0-9a-f]{32}$/.test(name));
  return {
    findRecords: (kid) => listRecords(toHex(kid)),
    dictionaryRecords: all.flatMap((name) => listRecords(name).map((record) => [fromHex(name), record])),
  };
}

async function main() {
  const several = { type: 'string', multiple: true, default: [] }, one = { type: 'string' };
  const options = { context: one, store: one, receipt: one, limit: one, signer: several, bind: several,
    dictionary: several };
  const { values: flags, positionals: [file, ...keys] } = parseArgs({ allowPositionals: true, options });
  if (!keys.length) throw new TypeError(USAGE);
  const readText = (path) => readFileSync(path, 'utf8');
  const opener = new Opener({
    keys: await Promise.all(keys.map((path) => loadKey(readText(path)))),
    signers: await Promise.all(flags.signer.map((path) => loadSigner(readText(path)))),
    context: fromText(flags.context ?? ''),
    dictionaries: flags.dictionary.map((path) => new Uint8Array(readFileSync(path))),
    ...(flags.limit && { limit: Number(flags.limit) }),
    ...(flags.store && openStore(flags.store)),
  });
  const bind = flags.bind.map((name) => fromText(name.replace(/^header:/, '')));
  try {
    const write = (bytes) => process.stdout.write(bytes);
    await decryptFile(file, opener, bind, write, flags.receipt && readText(flags.receipt));
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    console.error(`${basename(file)}: ${e.message}`);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(realpathSync(process.argv[1] ?? ".")).href) {
  main().catch((e) => {
    console.error(e.message);
    process.exitCode = 2;
  });
}
