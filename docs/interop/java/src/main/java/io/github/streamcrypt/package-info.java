/**
 * Opens envelopes of streamcrypt, with the JDK and zstd-jni only. It was written
 * from docs/envelope.md alone and shares no code with streamcrypt: names of
 * sections are of that page. Cbor and Envelope read the bytes, strictly; Kek,
 * Signer and DataKeys find the data key; Opener verifies the tag, Coding undoes
 * compression and padding; RawFile, Archive, Records and Lines read files;
 * Decrypt is the command. It seals nothing.
 */
package io.github.streamcrypt;
