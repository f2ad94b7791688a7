package io.github.streamcrypt;

import java.util.Arrays;
import java.util.List;

/** A file of one payload: docs/envelope.md, section 9, raw. */
final class RawFile {
    private RawFile() {
    }

    /** The payload of a file in one of the three forms. */
    static byte[] open(byte[] file, Reader reader) {
        boolean selfContained = file.length > 1 && file[0] == (byte) 0xd8 && file[1] == 0x60;
        int end = selfContained ? Cbor.readItem(file, 2, 1).end() : file.length;
        if (end == file.length) {
            return new Opener(reader).open(new Envelope(file), Opener.Place.ofRecord(Opener.VALUE)).payload();
        }
        Refused.unless(file[end] == (byte) 0xd0);
        Envelope record = Envelope.parse(Arrays.copyOf(file, end));
        Refused.unless(record != null);
        Envelope e = new Envelope(Arrays.copyOfRange(file, end, file.length));
        Refused.unless(e.chunked);
        Refused.unless(Arrays.equals(e.kid, Arrays.copyOf(record.commitment, 16)), "wrong-key");
        Reader own = reader.withContext(reader.context);
        own.store = new KeyStore() {
            @Override
            public List<byte[]> findKeyRecords(byte[] kid) {
                return List.of(record.whole);
            }

            @Override
            public List<Named> findDictionaryRecords(byte[] hint) {
                return reader.store.findDictionaryRecords(hint);
            }
        };
        Opener opener = new Opener(own);
        opener.open(record, Opener.Place.ofRecord(Opener.KEY_RECORD));
        return opener.open(e, Opener.Place.ofRecord(Opener.VALUE)).payload();
    }
}
