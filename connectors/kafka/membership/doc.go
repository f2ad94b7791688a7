// Package membership makes a process a member of a consumer group: it joins,
// keeps the membership alive, learns which partitions are its own, and leads
// the group when it is chosen to.
//
// It must not know records, transactions or lanes. Its user, a Holder, is told
// which partitions to take up and to give up, and commits offsets under the
// Identity that the member has at that moment.
//
// # The protocol
//
// Members speak the classic protocol (JoinGroup, SyncGroup, Heartbeat) and
// rebalance cooperatively (KIP-429), so that nobody stops while a group
// changes. A round has two steps: the leader deals every partition but gives no
// member one that another member still owns; a member that has to give up
// partitions drains these alone and joins again, and then they are dealt. The
// subscription and the assignment are the standard bytes of Kafka's consumers
// under protocol type "consumer", and Kafka's tools show them. The name of the
// protocol is streamcrypt-1, which keeps members of other programs out of the
// group.
//
// With an Instance the membership is static (KIP-345): a process that is
// started again within the session gets its partitions back without a round. Of
// two processes with one instance the broker fences the older one.
//
// With Options.Consumer the broker deals by itself (KIP-848).
//
// # User data
//
// The leader sends facts that only it can know in the user data of each
// assignment, as JSON:
//
//	{"partitions":{"orders":12},"fresh":["orders"],"waiting":3}
//
// partitions is how many partitions of each topic were dealt, so that a leader
// that was started again sees a topic grow. fresh names the topics for which
// the group has no offset at all: a member that finds no offset for one of the
// partitions that were counted begins it as the configuration says. Every other
// partition without an offset was added later, and begins at its first record.
// waiting is how many partitions nobody has got yet, because another member has
// to release them: another round follows soon, and members listen for it more
// often.
//
// The user data of a subscription is the name of the member's process
// (Options.Process). The leader knows by it which processes are members, and
// Options.NoteMembers can end transactions that others have left open.
//
// # Time
//
// A member counts its session from the moment at which it sent the last request
// that the coordinator answered well. Shortly before the end of the session the
// lease of its partitions ends: reads and writes must stop, since another
// member may get them. A later good answer gives a new lease. A join phase
// without this member ends it as well, however well heartbeats are answered: so
// the lease never goes beyond the time that a join phase has to last at least.
//
//	options.go       Options and their limits
//	member.go        Member: the state that its users see
//	holding.go       the partitions that are taken up and given up
//	lease.go         the time during which partitions are surely ours
//	fenced.go        another process of the same instance
//	classic.go       joining and leading a group
//	rounds.go        the requests of one round
//	heartbeat.go     heartbeats
//	silence.go       a coordinator that does not answer them
//	census.go        the leader tells which processes are members
//	watch.go         the leader looks for partitions that were added
//	consumer.go      the protocol in which the broker deals (KIP-848)
//	leave.go         leaving
//	subscription.go  the bytes of subscriptions and assignments
//	assignor.go      dealing partitions, moving as few as possible
//	foreign.go       groups of other programs
//	errors.go        errors
package membership
