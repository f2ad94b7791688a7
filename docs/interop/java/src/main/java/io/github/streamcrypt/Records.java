package io.github.streamcrypt;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Messages with envelopes in them: docs/envelope.md, sections 5 and 8. */
public final class Records {
    /** The name of the header with the envelope of a tombstone. */
    public static final String HEADER = "streamcrypt";

    private Records() {
    }

    static boolean isOurs(Header h) {
        return Opener.toLatin1(h.name()).equals(HEADER);
    }

    /** The message as it was before it was sealed, without headers that nothing authenticates. */
    public static Message open(Opener opener, Message m, Opener.Medium medium) {
        List<Header> sealed = m.headers().stream().filter(Records::isOurs).toList();
        boolean tombstone = m.value() == null;
        Refused.unless(!tombstone || !sealed.isEmpty(), "bare-tombstone");
        Refused.unless(sealed.size() == (tombstone ? 1 : 0), "reserved-header");
        byte[] input = tombstone ? sealed.get(0).value() : m.value();
        Envelope e = new Envelope(input == null ? new byte[0] : input);
        int kind = tombstone ? Opener.TOMBSTONE : Opener.VALUE;
        var place = new Opener.Place(kind, medium, m.subject(), m.key(), m.headers(), m.time());
        Opener.Opened opened = opener.open(e, place);
        List<Header> kept = new ArrayList<>(m.headers());
        kept.removeIf(Records::isOurs);
        if ((e.form() & 1) != 0) {
            kept.removeIf(h -> !opener.isNamed(h.name()) && hasEffect(h));
        } else {
            kept = kept.subList(0, e.boundHeaders());
        }
        return new Message(m.key(), kept, m.time(), m.subject(), tombstone ? null : opened.payload());
    }

    /** Does an envelope bind the time of its record? */
    public static boolean bindsTime(byte[] envelope) {
        Envelope e = Envelope.parse(envelope);
        return e != null && (e.form() & 4) != 0;
    }

    private static boolean hasEffect(Header h) {
        String name = Opener.toLatin1(h.name()).toLowerCase(Locale.ROOT);
        return name.equals("kv-operation") || name.startsWith(HEADER) || name.startsWith("nats-");
    }
}
