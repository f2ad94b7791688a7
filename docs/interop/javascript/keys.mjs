// Keys and hashes by WebCrypto: docs/envelope.md, sections 4, 6 and 17.

import { Refused, encodeItem, fromText, isSame, joinBytes, must } from './cbor.mjs';

const { subtle } = globalThis.crypto;
const INFO = '842483f6f6f683f6f6f68319010044a101381e5840'; // COSE_KDF_Context before the two public keys
const FIELD = 2n ** 255n - 19n;
const ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
const SMALL_ORDER = [0n, 1n, ORDER_8, FIELD - ORDER_8, FIELD - 1n]; // y of the points of Ed25519 of order 1 to 8

export const hash = async (...parts) => new Uint8Array(await subtle.digest('SHA-256', joinBytes(...parts)));
export const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const fromUrl = (text) => fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'));
const fromPem = (text) => fromBase64(text.replace(/-----[A-Z ]+-----/g, '').replace(/\s/g, ''));
const toNumber = (bytes) => bytes.reduceRight((n, byte) => n << 8n | BigInt(byte), 0n); // little-endian, as on curves
const exportBytes = async (format, key) => new Uint8Array(await subtle.exportKey(format, key));

/** HKDF-Expand-SHA-256 of at most 32 bytes, which is its first block. */
export async function expandKey(prk, info, length = 32) {
  const key = await subtle.importKey('raw', prk, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const block = await subtle.sign('HMAC', key, joinBytes(fromText(info), Uint8Array.of(1)));
  return new Uint8Array(block).subarray(0, length);
}

/** A key of the reader: { kid, algs, unwrap }, from a JWK (AES), or from PKCS #8 in PEM (X25519, RSA). */
export async function loadKey(text) {
  if (text.trimStart().startsWith('{')) return loadAes(fromUrl(JSON.parse(text).k));
  const der = fromPem(text);
  return der.length === 48 ? loadX25519(der) : loadRsa(der);
}

async function loadAes(bytes) {
  must(bytes.length === 32, 'not an AES-256 key');
  const kid = await expandKey(bytes, 'streamcrypt/1 kid', 8);
  return { kid, algs: [-5], unwrap: (recipient) => unwrapAes(bytes, recipient.wrapped) };
}

async function unwrapAes(kek, wrapped) {
  const key = await subtle.importKey('raw', kek, 'AES-KW', false, ['unwrapKey']);
  return exportBytes('raw', await subtle.unwrapKey('raw', wrapped, key, 'AES-KW', 'AES-GCM', true, ['decrypt']));
}

async function loadX25519(der) {
  const secret = await subtle.importKey('pkcs8', der, 'X25519', true, ['deriveBits']);
  const own = fromUrl((await subtle.exportKey('jwk', secret)).x);
  const kid = (await hash(fromHex('302a300506032b656e032100'), own)).subarray(0, 8);
  const unwrap = async ({ wrapped, ephemeral }) => {
    must(toNumber(ephemeral) < FIELD);
    const other = await subtle.importKey('raw', ephemeral, 'X25519', false, []);
    const shared = new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: other }, secret, 256));
    must(shared.some((byte) => byte !== 0));
    const base = await subtle.importKey('raw', shared, 'HKDF', false, ['deriveBits']);
    const info = joinBytes(fromHex(INFO), ephemeral, own);
    const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info };
    return unwrapAes(await subtle.deriveBits(hkdf, base, 256), wrapped);
  };
  return { kid, algs: [-31], unwrap };
}

async function loadRsa(der) {
  const load = (digest) => subtle.importKey('pkcs8', der, { name: 'RSA-OAEP', hash: digest }, true, ['decrypt']);
  const keys = { [-41]: await load('SHA-256'), [-42]: await load('SHA-512') };
  const { kty, n, e } = await subtle.exportKey('jwk', keys[-41]);
  const open = await subtle.importKey('jwk', { kty, n, e }, { name: 'RSA-OAEP', hash: 'SHA-256' }, true, ['encrypt']);
  const kid = (await hash(await exportBytes('spki', open))).subarray(0, 8);
  const unwrap = async ({ alg, wrapped }) => {
    must(wrapped.length === fromUrl(n).length);
    return new Uint8Array(await subtle.decrypt('RSA-OAEP', keys[alg], wrapped));
  };
  return { kid, algs: [-41, -42], unwrap };
}

/** A signer's public key, { kid, verify }, from SubjectPublicKeyInfo in PEM. */
export async function loadSigner(text) {
  const spki = fromPem(text), key = await subtle.importKey('spki', spki, 'Ed25519', false, ['verify']);
  const y = toNumber(spki.subarray(12)) & 2n ** 255n - 1n;
  must(y < FIELD && !SMALL_ORDER.includes(y), 'not a signer\'s key');
  const verify = (signature, signed) => subtle.verify('Ed25519', key, signature, encodeItem(signed));
  return { kid: (await hash(spki)).subarray(0, 8), verify };
}

/** The data key of an envelope by the first key that unwraps one, or null. */
export async function unwrapKey(keys, recipients) {
  for (const key of keys) {
    const fitting = findRecipient(key, recipients);
    const dek = fitting && await tryUnwrap(key, fitting);
    if (dek?.length === 32) return dek;
  }
  return null;
}

export const findRecipient = (key, recipients) => recipients.find(
  ({ alg, kid }) => key.algs.includes(alg) && isSame(kid, key.kid));

async function tryUnwrap(key, recipient) {
  try {
    return await key.unwrap(recipient);
  } catch (e) {
    if (!(e instanceof Refused || e instanceof DOMException)) throw e;
    return null;
  }
}
