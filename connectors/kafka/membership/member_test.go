package membership

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func topic(n int32) *layout { return &layout{counts: map[string]int32{"t": n}} }

// TestJoinAndLeave: members share, one that joins takes its share without
// stopping anybody, and one that leaves gives it back at once.
func TestJoinAndLeave(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(6)
		x := b.start(c, l, Options{})
		pass(time.Second)
		if got := sizes(x); !slices.Equal(got, []int{6}) {
			t.Fatalf("got %v", got)
		}
		y := b.start(c, l, Options{})
		pass(5 * time.Second) // the first one hears of it with its next heartbeat
		if got := sizes(x, y); !slices.Equal(got, []int{3, 3}) || x.releases != 3 || x.drops != 0 || x.takes != 6 {
			t.Fatalf("got %v, %d released, %d dropped, %d taken", got, x.releases, x.drops, x.takes)
		}
		if b.longest > 500*time.Millisecond {
			t.Errorf("a partition had nobody for %v", b.longest)
		}
		y.leave()
		pass(5 * time.Second)
		if got := sizes(x); !slices.Equal(got, []int{6}) || x.releases != 3 {
			t.Errorf("got %v, %d released", got, x.releases)
		}
		x.leave()
		if n := len(c.members); n != 0 {
			t.Errorf("%d members are left", n)
		}
	})
}

// TestSlowDrain: a member that takes long to give up partitions stays a member,
// and nobody gets them before.
func TestSlowDrain(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(4)
		x := b.startSlow(c, l, Options{}, 25*time.Second) // more than a session
		pass(time.Second)
		y := b.start(c, l, Options{})
		pass(20 * time.Second)
		if got := sizes(x, y); !slices.Equal(got, []int{0, 4}) {
			t.Fatalf("while it drains: %v", got)
		}
		pass(10 * time.Second)
		if got := sizes(x, y); !slices.Equal(got, []int{2, 2}) || x.drops != 0 {
			t.Fatalf("got %v, %d dropped", got, x.drops)
		}
		x.leave()
		y.leave()
	})
}

// TestKilled: the partitions of a member that is killed are dealt out when its
// session has ended, and the others never stop.
func TestKilled(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(6)
		x, y, z := b.start(c, l, Options{}), b.start(c, l, Options{}), b.start(c, l, Options{})
		pass(10 * time.Second)
		before := [][]Partition{x.has(), y.has()}
		z.kill()
		pass(12 * time.Second) // the session, and two heartbeats
		if got := sizes(x, y); !slices.Equal(got, []int{3, 3}) {
			t.Fatalf("got %v", got)
		}
		for i, p := range []*process{x, y} {
			if now := p.has(); !containsAll(now, before[i]) {
				t.Errorf("it had %v and has %v", before[i], now)
			}
		}
		if x.drops+y.drops+x.releases+y.releases > 4 { // of the first rounds
			t.Errorf("others stopped: %d, %d", x.releases, y.releases)
		}
		x.leave()
		y.leave()
	})
}

func containsAll(all, some []Partition) bool {
	for _, p := range some {
		if !slices.Contains(all, p) {
			return false
		}
	}
	return true
}

// TestStaticRestart: a process that is killed and started again within its
// session has its partitions at once, without a round, also the leader's; and
// the leader still watches the topic.
func TestStaticRestart(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(4)
		x, y := b.start(c, l, Options{Instance: "x"}), b.start(c, l, Options{Instance: "y"})
		pass(10 * time.Second)
		rounds := c.rounds
		for _, p := range []*process{x, y} {
			had := p.has()
			p.kill()
			pass(3 * time.Second)
			started := time.Now()
			again := b.start(c, l, Options{Instance: p.Instance})
			for len(again.has()) == 0 && time.Since(started) < time.Minute {
				pass(time.Millisecond)
			}
			if took := time.Since(started); took > 100*time.Millisecond || !slices.Equal(again.has(), had) {
				t.Errorf("%s had %v and has %v after %v", p.Instance, had, again.has(), took)
			}
			if p == x {
				x = again
			} else {
				y = again
			}
		}
		if c.rounds != rounds {
			t.Errorf("%d rounds", c.rounds-rounds)
		}
		l.set("t", 6)
		pass(10 * time.Second)
		if got := sizes(x, y); !slices.Equal(got, []int{3, 3}) {
			t.Errorf("after the topic has grown: %v", got)
		}
		x.leave()
		y.leave()
	})
}

// TestTwoOfOneName: of two processes with one instance the older one ends.
func TestTwoOfOneName(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(4)
		x := b.start(c, l, Options{Instance: "x"})
		pass(5 * time.Second)
		y := b.start(c, l, Options{Instance: "x"})
		before := time.Now()
		// The younger one takes the partitions over before the older one knows:
		// the broker fences its commits, and it is asked for (Probe) when one
		// fails.
		b.mu.Lock()
		b.by = map[Partition]*process{}
		b.mu.Unlock()
		if err := <-x.ended; !errors.Is(err, ErrInstanceTaken) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(before); took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
		pass(20 * time.Second)
		if got := sizes(y); !slices.Equal(got, []int{4}) {
			t.Errorf("got %v", got)
		}
		y.leave()
	})
}

// TestStaleCoordinator: a broker that is the coordinator no more, and does not
// know it, says that another process has the name of this one. It is not
// believed at once, and meanwhile nothing is read or written.
func TestStaleCoordinator(t *testing.T) {
	for name, round := range map[string]bool{"at rest": false, "in a round": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *board) {
				c, l := newCoordinator(t), topic(4)
				x := b.start(c, l, Options{Instance: "x"})
				pass(5 * time.Second)
				lease, err := x.AwaitLease(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				x.link.setStale(true)
				if round {
					defer b.start(c, l, Options{}).leave()
				}
				x.RequestProbe()
				pass(500 * time.Millisecond)
				if lease.Err() == nil {
					t.Error("reads and writes go on in doubt")
				}
				x.link.setStale(false)
				pass(5 * time.Second)
				x.checkGoesOn()
				// One that says so for longer is right.
				x.link.setStale(true)
				x.RequestProbe()
				pass(5 * time.Second)
				select {
				case err := <-x.ended:
					if !errors.Is(err, ErrInstanceTaken) {
						t.Errorf("got %v", err)
					}
				default:
					t.Error("it does not end")
				}
			})
		})
	}
}

// TestFencedByItsPast: a coordinator that was cut off has expelled a static
// member and taken it in again. The next one has heard of neither, and refuses
// the member for the id that it had before. That is no other process: the member
// joins again.
func TestFencedByItsPast(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(4)
		x := b.start(c, l, Options{Instance: "x"})
		pass(5 * time.Second)
		c.mu.Lock()
		before := *c.members[c.statics["x"]]
		c.remove(c.members[before.id])
		c.mu.Unlock()
		pass(5 * time.Second)
		if now := x.Identity().Member; now == before.id || len(x.has()) == 0 {
			t.Fatalf("it has not joined again: it is %s, %v", now, x.has())
		}
		c.mu.Lock()
		expelled := c.members[x.Identity().Member]
		expelled.stopExpiry()
		delete(c.members, expelled.id)
		before.expiry = nil
		c.members[before.id], c.statics["x"], c.leader = &before, before.id, before.id
		c.mu.Unlock()
		x.RequestProbe()
		pass(10 * time.Second)
		x.checkGoesOn()
		x.leave()
	})
}

// TestLapse: a member that is cut off stops before its session ends, and goes
// on when it is heard again, with what is still its own.
func TestLapse(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(4)
		x := b.start(c, l, Options{})
		pass(3 * time.Second)
		lease, err := x.AwaitLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		x.link.setCut(true)
		cut := time.Now()
		<-lease.Done()
		if took := time.Since(cut); took > 9*time.Second || took < 6*time.Second || context.Cause(lease) != ErrLapsed {
			t.Errorf("it ended after %v: %v", took, context.Cause(lease))
		}
		if len(x.has()) != 4 {
			t.Error("the partitions were given up")
		}
		x.link.setCut(false)
		next, err := x.AwaitLease(t.Context())
		if err != nil || next.Err() != nil {
			t.Fatal(err)
		}
		if took := time.Since(cut); took > 14*time.Second {
			t.Errorf("it went on after %v", took)
		}
		// A longer cut: the membership is gone, and comes back.
		x.link.setCut(true)
		y := b.start(c, l, Options{})
		pass(30 * time.Second)
		if got := sizes(y); !slices.Equal(got, []int{4}) {
			t.Errorf("the other one has %v", got)
		}
		x.link.setCut(false)
		pass(10 * time.Second)
		if got := sizes(x, y); !slices.Equal(got, []int{2, 2}) || x.drops != 4 {
			t.Errorf("got %v, %d dropped", got, x.drops)
		}
		x.leave()
		y.leave()
	})
}

// TestCommitsDuringRounds: a commit that is refused because of a round is sent
// again under the next identity, for partitions that stay.
func TestCommitsDuringRounds(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(4)
		x := b.start(c, l, Options{})
		pass(time.Second)
		stop := make(chan struct{})
		done := make(chan int)
		renewed := 0
		go func() {
			commits := 0
			defer func() { done <- commits }()
			for p := (Partition{"t", 0}); ; time.Sleep(200 * time.Microsecond) {
				select {
				case <-stop:
					return
				default:
				}
				id := x.Identity()
				for attempt := 0; ; attempt++ {
					code := c.commit(id, commits%2 == 0)
					if code == 0 {
						commits++
						break
					}
					var err error
					if id, err = x.Renew(context.Background(), id, []Partition{p}); err != nil || attempt > 3 {
						t.Errorf("refused with %d, then %v", code, err)
						return
					}
					renewed++
				}
			}
		}()
		for range 5 {
			y := b.start(c, l, Options{})
			pass(5 * time.Second)
			y.leave()
			pass(5 * time.Second)
		}
		close(stop)
		if n := <-done; n < 1000 || renewed == 0 {
			t.Errorf("%d commits, %d of them sent again", n, renewed)
		}
		// A partition that went is refused, as is everything of one that was
		// lost.
		y := b.start(c, l, Options{})
		pass(5 * time.Second)
		gone := y.has()
		if _, err := x.Renew(t.Context(), Identity{Group: "g", Member: x.Identity().Member, Generation: 1}, gone); !errors.Is(err, ErrNotHeld) {
			t.Errorf("got %v", err)
		}
		if id, err := x.Renew(t.Context(), x.Identity(), x.has()); err != nil || id != x.Identity() {
			t.Errorf("an identity that the coordinator has confirmed: %v", err)
		}
		x.leave()
		y.leave()
	})
}

// TestEnds: every wait of a member ends at once.
func TestEnds(t *testing.T) {
	for name, prepare := range map[string]func(b *board, c *coordinator, l *layout) *process{
		"join phase": func(b *board, c *coordinator, l *layout) *process {
			ghost := b.start(c, l, Options{})
			pass(5 * time.Second)
			ghost.kill()
			return b.start(c, l, Options{})
		},
		"static join phase": func(b *board, c *coordinator, l *layout) *process {
			ghost := b.start(c, l, Options{})
			pass(5 * time.Second)
			ghost.kill()
			return b.start(c, l, Options{Instance: "x"})
		},
		"away": func(b *board, c *coordinator, l *layout) *process {
			c.downUntil = time.Now().Add(time.Hour)
			return b.start(c, l, Options{})
		},
		"drain": func(b *board, c *coordinator, l *layout) *process {
			x := b.startSlow(c, l, Options{}, time.Hour)
			pass(time.Second)
			y := b.start(c, l, Options{})
			b.t.Cleanup(y.stop)
			pass(4 * time.Second)
			return x
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *board) {
				c, l := newCoordinator(t), topic(4)
				x := prepare(b, c, l)
				pass(time.Second)
				before := time.Now()
				x.leave()
				if took := time.Since(before); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				pass(time.Minute)
				c.mu.Lock()
				defer c.mu.Unlock()
				for _, m := range c.members {
					if m.id == x.Identity().Member || m.instance == "x" {
						t.Error("it is still a member")
					}
					m.stopExpiry()
				}
			})
		})
	}
}

// TestRefusedGroups: mistakes of the configuration are told before the first
// round, and by name.
func TestRefusedGroups(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*coordinator)
		o      Options
		want   error
		says   string
	}{
		"range":   {func(c *coordinator) { c.protocol = "range" }, Options{}, nil, "range"},
		"kip-848": {func(c *coordinator) { c.consumer = true }, Options{}, nil, "consumer: uniform"},
		"session": {nil, Options{Session: 2 * time.Second}, codeSessionTimeout, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *board) {
				c := newCoordinator(t)
				if tc.change != nil {
					tc.change(c)
				}
				x := b.start(c, topic(1), tc.o)
				err := <-x.ended
				foreign, isForeign := errors.AsType[*ForeignGroupError](err)
				if tc.want != nil && !errors.Is(err, tc.want) || tc.want == nil && (!isForeign || foreign.Protocol != tc.says) {
					t.Errorf("got %v", err)
				}
				if x.link.count(int16(kmsg.JoinGroup)) > 0 && tc.want == nil {
					t.Error("it has joined before it looked")
				}
				for _, m := range c.members {
					m.stopExpiry()
				}
			})
		})
	}
}

// TestLostAnswers: the answer to any request may be lost at any time.
func TestLostAnswers(t *testing.T) {
	for _, key := range []int16{int16(kmsg.JoinGroup), int16(kmsg.SyncGroup), int16(kmsg.Heartbeat), int16(kmsg.DescribeGroups)} {
		for _, instance := range []string{"", "x"} {
			bubble(t, func(t *testing.T, b *board) {
				c, l := newCoordinator(t), topic(4)
				y := b.start(c, l, Options{})
				pass(3 * time.Second)
				x := b.start(c, l, Options{Instance: instance})
				x.link.mu.Lock()
				x.link.lose = key
				x.link.mu.Unlock()
				pass(40 * time.Second)
				if got := sizes(x, y); !slices.Equal(got, []int{2, 2}) {
					t.Errorf("request %d, instance %q: %v", key, instance, got)
				}
				x.leave()
				y.leave()
			})
		}
	}
}

// TestGrowth: the leader sees partitions that are added, and a topic that goes
// for a moment only disturbs nobody.
func TestGrowth(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(2)
		l.fresh = []string{"t"}
		x := b.start(c, l, Options{})
		pass(2 * time.Second)
		if len(x.freshOnes) != 2 {
			t.Errorf("fresh are %v", x.freshOnes)
		}
		l.mu.Lock()
		l.fresh = nil // it has committed
		l.mu.Unlock()
		l.set("t", 5)
		pass(6 * time.Second)
		if got := sizes(x); !slices.Equal(got, []int{5}) || len(x.freshOnes) != 2 || x.releases != 0 {
			t.Errorf("got %v, fresh are %v", got, x.freshOnes)
		}
		rounds := c.rounds
		l.mu.Lock()
		delete(l.counts, "t")
		l.mu.Unlock()
		pass(20 * time.Second)
		l.set("t", 5)
		pass(time.Minute)
		if c.rounds != rounds || x.releases != 0 {
			t.Errorf("%d rounds, %d released", c.rounds-rounds, x.releases)
		}
		x.leave()
	})
}

// TestCoordinatorMoves: while the coordinator is away nobody stops, if it is
// back in time.
func TestCoordinatorMoves(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(4)
		x, y := b.start(c, l, Options{}), b.start(c, l, Options{})
		pass(10 * time.Second)
		takes := x.takes + y.takes
		c.mu.Lock()
		c.downUntil = time.Now().Add(6 * time.Second)
		c.mu.Unlock()
		pass(30 * time.Second)
		if got := sizes(x, y); !slices.Equal(got, []int{2, 2}) || x.drops+y.drops != 0 || x.takes+y.takes != takes {
			t.Errorf("got %v, %d dropped", got, x.drops+y.drops)
		}
		if !x.leased() || !y.leased() {
			t.Error("no lease")
		}
		x.leave()
		y.leave()
	})
}
