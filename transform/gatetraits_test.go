package transform_test

import "math/rand/v2"

// traits are what one history is about.
type traits struct {
	rising  bool // NATS: terms are times, and the sealed log is one place
	shared  bool // NATS: several take from one consumer, and no order is promised
	byKey   bool // Kafka: the sealed partition is that of the key
	public  bool // the keys are public: nobody vouches for a message
	zombies bool // dead sealers write late
	rewrite bool // the tails of logs are lost, and their offsets come again
	commits bool // the output is at-least-once, and not one with the position
	long    bool // more runs than a state holds, and no restart
	readers int  // sealed partitions
}

// chooseTraits chooses those of a history, by what the issue lists.
func chooseTraits(rnd *rand.Rand) traits {
	one := func(in int) bool { return rnd.IntN(in) == 0 }
	t := traits{rising: one(2), public: one(10), commits: one(3), rewrite: true, readers: 1}
	if t.rising {
		t.shared = one(3)
		// A late message between neighbours that were lost and written over is
		// not told from one of them: docs/envelope.md promises the order there.
		t.zombies = one(3)
		t.rewrite = !t.zombies || t.shared
		return t
	}
	t.byKey, t.zombies, t.readers = one(3), one(2), 1+rnd.IntN(2)
	if t.long = t.byKey && one(64); t.long {
		t.readers = 3
	}
	return t
}
