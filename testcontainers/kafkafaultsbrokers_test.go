package testcontainers

import (
	"context"
	"time"
)

// anyLeader returns the leader of a partition of the ciphertext.
func (r *faultRun) anyLeader() *faultBroker {
	return r.leader(r.T, faultTopics[1], r.rnd.IntN(faultParts))
}

func (r *faultRun) groupCoordinator(group string) *faultBroker {
	return r.coordinator(r.T, group, false)
}

// killBroker kills a broker and starts it again, at once or after a while.
func killBroker(r *faultRun, b *faultBroker) {
	r.began = time.Now()
	b.kill(r.T)
	r.pause(0, 12*time.Second)
	b.raise(r.T)
}

// outliveBroker takes a broker away and gives it back when everything flows
// without it.
func outliveBroker(r *faultRun, b *faultBroker, take, give func()) {
	r.began = time.Now()
	take()
	r.waitFor(r.T, 5*time.Second)
	mark := r.stream.mark() // much of it was made without the broker
	defer func() {
		if r.Failed() {
			r.stream.report(r.T)
		}
	}()
	r.eventually(r.T, "a stream without "+b.name, func(context.Context) bool {
		r.members.alive(r.T)
		passed, err := r.stream.passed(mark)
		return passed || err != nil // the end of the fault reports it
	})
	give()
}

// outliveKilled kills a broker.
func outliveKilled(r *faultRun, b *faultBroker) {
	outliveBroker(r, b, func() { b.kill(r.T) }, func() { b.raise(r.T) })
}

// pauseBroker stops a broker. It goes on as if nothing had happened.
func pauseBroker(r *faultRun, b *faultBroker) {
	outliveBroker(r, b, func() { b.pause(r.T) }, func() { b.resume(r.T) })
}

// isolateBroker cuts a broker off from the others, but not from its clients:
// it still answers, and takes itself for the leader.
func isolateBroker(r *faultRun, b *faultBroker) {
	outliveBroker(r, b, func() { r.cutOff(r.T, b) }, func() { r.join(r.T, b) })
}

// restartBrokers restarts one broker after the other, as an operator does: the
// next one when all replicas are back.
func restartBrokers(r *faultRun) {
	for _, i := range r.rnd.Perm(len(r.brokers)) {
		r.brokers[i].restart(r.T)
		r.waitFor(r.T, time.Second)
		r.eventually(r.T, "all replicas", r.whole)
	}
}

// fillDisk takes all room from a broker, which ends by it, and gives the room
// back.
func fillDisk(r *faultRun) {
	b := r.brokers[r.rnd.IntN(len(r.brokers))]
	b.fillDisk(r.T)
	r.pause(8*time.Second, 12*time.Second)
	b.freeDisk(r.T)
	b.inside(r.T, "kill -9 $(cat /tmp/pid) || true") // one that lives takes no directory back that had no room
}
