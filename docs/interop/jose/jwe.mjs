// JWE between streamcrypt and jose, both ways (docs/convert.md).
//
//     npm ci --ignore-scripts
//     node jwe.mjs ./streamcrypt     # exit code 1 where one does not open what the other has made

import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import * as jose from 'jose'

const command = resolve(process.argv[2])
const payload = Buffer.from('a payload: Grüße\n'.repeat(100))
const algs = { local: 'A256KW', x25519: 'ECDH-ES+A256KW', rsa: 'RSA-OAEP-256' }
const folder = mkdtempSync(join(tmpdir(), 'jose-'))
const wrong = []
let checked = 0

// run returns what the command has logged, and null in front of it if it went
// well.
function run (...args) {
  try {
    execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
    return [null, '']
  } catch (e) {
    return [e.status, String(e.stderr)]
  }
}

const read = (name) => readFileSync(join(folder, name))
const write = (name, text) => writeFileSync(join(folder, name), text)

function expect (what, right, more = '') {
  checked++
  if (!right) wrong.push(`${what} ${more}`)
}

const keys = {}
for (const kind of Object.keys(algs)) {
  run('keygen', kind, '--out', kind)
  if (kind === 'local') {
    const secret = Buffer.from(JSON.parse(read(kind)).k, 'base64url')
    keys[kind] = { seal: secret, open: secret }
  } else {
    const open = createPrivateKey(read(kind))
    keys[kind] = { seal: createPublicKey(open), open }
  }
}
write('plain', payload)

// open has jose open the file "sealed", in whichever form it is.
async function open (kind) {
  const text = String(read('sealed'))
  const opened = text.startsWith('{')
    ? await jose.generalDecrypt(JSON.parse(text), keys[kind].open)
    : await jose.compactDecrypt(text, keys[kind].open)
  return Buffer.from(opened.plaintext)
}

async function checkOpen (made, kinds) {
  for (const kind of kinds) {
    let got
    try { got = await open(kind) } catch (e) { got = String(e) }
    expect(`jose opens ${made} for ${kinds} with ${kind}`, payload.equals(Buffer.from(got)), String(got).slice(0, 80))
  }
}

// What encrypt and convert make.
for (const kinds of [...Object.keys(algs).map((kind) => [kind]), Object.keys(algs)]) {
  const flags = kinds.map((kind) => `--key=${kind}:${kind}`)
  run('encrypt', '--format=jwe', '--from=plain', '--to=sealed', '--overwrite', ...flags)
  await checkOpen('encrypt', kinds)
  run('encrypt', '--from=plain', '--to=cose', '--overwrite', '--key=local:local')
  run('convert', '--format=jwe', '--from=cose', '--to=sealed', '--overwrite', '--old-key=local:local', ...flags)
  await checkOpen('convert', kinds)
}

// make has jose make a message. The general form has a recipient before this
// one, of whom nobody knows here.
async function make (form, alg, key, header = {}) {
  const protect = { enc: 'A256GCM', ...header }
  if (form === 'compact') {
    return new jose.CompactEncrypt(payload).setProtectedHeader({ alg, ...protect }).encrypt(key)
  }
  if (form === 'flattened') {
    return JSON.stringify(await new jose.FlattenedEncrypt(payload).setProtectedHeader({ alg, ...protect }).encrypt(key))
  }
  return JSON.stringify(await new jose.GeneralEncrypt(payload).setProtectedHeader(protect)
    .addRecipient(randomBytes(32)).setUnprotectedHeader({ alg: 'A256KW', kid: 'somebody else' })
    .addRecipient(key).setUnprotectedHeader({ alg })
    .encrypt())
}

// What jose makes.
for (const [kind, alg] of Object.entries(algs)) {
  for (const form of ['compact', 'flattened', 'general']) {
    write('sealed', await make(form, alg, keys[kind].seal))
    run('decrypt', '--accept=jwe', '--from=sealed', '--to=out', '--overwrite', `--key=${kind}:${kind}`)
    expect(`decrypt opens ${form} for ${kind}`, existsSync(join(folder, 'out')) && payload.equals(read('out')))
    rmSync(join(folder, 'out'), { force: true })
    run('convert', '--format=cose', '--from=sealed', '--to=cose', '--overwrite', `--old-key=${kind}:${kind}`, '--key=local:local')
    run('decrypt', '--from=cose', '--to=out', '--overwrite', '--key=local:local')
    expect(`convert opens ${form} for ${kind}`, existsSync(join(folder, 'out')) && payload.equals(read('out')))
    rmSync(join(folder, 'out'), { force: true })
  }
}

// With information of the parties, which goes into the derivation of the key.
write('sealed', await new jose.CompactEncrypt(payload).setProtectedHeader({ alg: algs.x25519, enc: 'A256GCM' })
  .setKeyManagementParameters({ apu: Buffer.from('Alice'), apv: Buffer.from('Bob') }).encrypt(keys.x25519.seal))
run('decrypt', '--accept=jwe', '--from=sealed', '--to=out', '--overwrite', '--key=x25519:x25519')
expect('decrypt opens apu and apv', existsSync(join(folder, 'out')) && payload.equals(read('out')))
rmSync(join(folder, 'out'), { force: true })

// What docs/convert.md refuses.
for (const [what, text] of [
  ['dir', await make('compact', 'dir', keys.local.seal)],
  ['RSA-OAEP with SHA-1', await make('compact', 'RSA-OAEP', keys.rsa.seal)],
  ['a password', await new jose.CompactEncrypt(payload)
    .setProtectedHeader({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM' }).encrypt(Buffer.from('password'))],
  ['AES-CBC', await make('compact', 'A256KW', keys.local.seal, { enc: 'A256CBC-HS512' })]
]) {
  write('sealed', text)
  const [code, log] = run('decrypt', '--accept=jwe', '--from=sealed', '--to=out', '--key=local:local', '--key=rsa:rsa')
  expect(`decrypt refuses ${what}`, code === 1 && log.includes('unsupported') && !existsSync(join(folder, 'out')), log)
}

rmSync(folder, { recursive: true })
console.log(`jose: ${checked} checks, ${wrong.length} wrong`)
for (const text of wrong) console.log('  ' + text)
process.exit(wrong.length > 0 ? 1 : 0)
