package testcontainers

import (
	"net/http"
	"syscall"
	"time"
)

// faultSession is the session of the members: the default.
const faultSession = 10 * time.Second

// allFaults are the faults of the suite, with the times that docs/kafka.md
// promises.
func allFaults() []fault {
	const broker, gone, whole = 15 * time.Second, faultSession + 2*time.Second, 5 * time.Second
	return []fault{
		{name: "member-killed", target: 2 * time.Second, short: true, inflict: killNamed},
		{name: "member-gone", target: gone, short: true, inflict: killNameless},
		{name: "member-stopped", target: gone, short: true, inflict: stopMember},
		{name: "members-come-and-go", short: true, inflict: comeAndGo},
		{name: "one-name", short: true, inflict: takeName},
		{name: "term-in-round", short: true, inflict: endInRound},
		{name: "keys-hung", target: whole, mended: true, short: true, inflict: hangKeys},
		{name: "rights-taken", target: whole, mended: true, short: true, inflict: takeRights},

		{name: "leader-killed", target: broker, short: true, inflict: func(r *faultRun) { killBroker(r, r.anyLeader()) }},
		{name: "leader-paused", target: broker, inflict: func(r *faultRun) { pauseBroker(r, r.anyLeader()) }},
		{name: "leader-cut-off", target: broker, inflict: func(r *faultRun) { isolateBroker(r, r.anyLeader()) }},
		{name: "coordinator-killed", target: broker, inflict: func(r *faultRun) { outliveKilled(r, r.groupCoordinator(sealers)) }},
		{name: "coordinator-paused", target: broker, inflict: func(r *faultRun) { pauseBroker(r, r.groupCoordinator(sealers)) }},
		{name: "coordinator-cut-off", target: broker, inflict: func(r *faultRun) { isolateBroker(r, r.groupCoordinator(sealers)) }},
		{name: "single-coordinator-killed", target: broker, inflict: func(r *faultRun) { outliveKilled(r, r.groupCoordinator(openers)) }},
		{name: "rolling-restart", inflict: restartBrokers},
		{name: "disk-full", target: broker, inflict: fillDisk},
		{name: "commit-prepared", target: broker, inflict: killPrepared},

		{name: "connections-cut", target: whole, mended: true, short: true, inflict: cutConnections},
		{name: "connections-refused", target: whole, mended: true, inflict: refuseConnections},
		{name: "requests-stalled", target: whole, mended: true, short: true, inflict: stallRequests},
		{name: "answers-lost", target: whole, mended: true, short: true, inflict: loseAnswers},
		{name: "end-held", target: whole, mended: true, short: true, inflict: holdEnds},
	}
}

// killNamed kills a member with a name and starts it again at once.
func killNamed(r *faultRun) {
	all := append(r.members.of(sealers, true), r.members.of(openers, true)...)
	one := all[r.rnd.IntN(len(all))]
	one.kill(r.T)
	r.members.replace(r.T, one)
}

// killNameless kills a member that nobody will know again: its partitions wait
// for the end of its session.
func killNameless(r *faultRun) {
	one := r.members.of(sealers, false)[0]
	one.kill(r.T)
	r.members.replace(r.T, one)
}

// stopMember stops a member until its session is over. Then it goes on as if
// nothing had happened.
func stopMember(r *faultRun) {
	all := append(r.members.of(sealers, true), r.members.of(sealers, false)...)
	one := all[r.rnd.IntN(len(all))]
	one.signal(r.T, syscall.SIGSTOP)
	r.pause(faultSession+2*time.Second, faultSession+5*time.Second)
	one.signal(r.T, syscall.SIGCONT)
}

// comeAndGo has two members without a name join and leave.
func comeAndGo(r *faultRun) {
	length := 15 * time.Second
	if r.long {
		length = time.Minute
	}
	for begin := time.Now(); time.Since(begin) < length; {
		first := r.members.start(r.T, sealers, "")
		r.pause(0, 4*time.Second)
		second := r.members.start(r.T, sealers, "")
		r.pause(0, 4*time.Second)
		r.members.end(r.T, first)
		r.pause(0, 2*time.Second)
		r.members.end(r.T, second)
	}
}

// takeName starts a second process with the name of one that runs. The older
// one ends, and says so.
func takeName(r *faultRun) {
	all := r.members.of(sealers, true)
	older := all[r.rnd.IntN(len(all))]
	r.members.replace(r.T, older)
	if code := older.exitCode(r.T); code != 4 {
		r.Errorf("the older process of one name ended with code %d", code)
	}
}

// endInRound ends a member while another one joins, and starts it again.
func endInRound(r *faultRun) {
	for range 3 {
		joining := r.members.start(r.T, sealers, "")
		r.pause(0, 1500*time.Millisecond)
		all := r.members.of(sealers, true)
		one := all[r.rnd.IntN(len(all))]
		r.members.end(r.T, one)
		r.members.replace(r.T, one)
		r.pause(0, time.Second)
		r.members.end(r.T, joining)
	}
}

// hangKeys has the key service answer nothing, while members come and go.
func hangKeys(r *faultRun) {
	over := make(chan struct{})
	r.members.keys.setFault(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-over:
		case <-req.Context().Done():
		}
		panic(http.ErrAbortHandler)
	})
	r.pause(5*time.Second, 7*time.Second) // the keys in use are used up
	joining := r.members.start(r.T, sealers, "")
	r.pause(time.Second, 3*time.Second)
	one := r.members.of(sealers, true)[r.rnd.IntN(2)]
	r.members.end(r.T, one)
	r.members.replace(r.T, one)
	r.pause(0, 2*time.Second)
	r.members.end(r.T, joining)
	r.members.keys.setFault(nil)
	close(over)
	r.gone = time.Now()
}

// takeRights takes a right away from the members and gives it back.
func takeRights(r *faultRun) {
	right := memberRights[r.rnd.IntN(len(memberRights)-1)] // not those on the cluster, which nobody needs
	r.Logf("the right to type %d", right.resource)
	r.takeBack(r.T, right)
	r.pause(4*time.Second, 8*time.Second)
	r.grant(r.T, right)
}
