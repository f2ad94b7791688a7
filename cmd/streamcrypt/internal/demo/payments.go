package demo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/connectors/nats"
)

// payment is a payment of nobody: account numbers have check digits that no
// bank gives out.
type payment struct {
	ID       string    `json:"id"`
	Booked   time.Time `json:"booked"`
	Amount   string    `json:"amount"`
	Currency string    `json:"currency"`
	Debtor   party     `json:"debtor"`
	Creditor party     `json:"creditor"`
	Purpose  string    `json:"purpose"`
}

type party struct {
	Name    string `json:"name"`
	Account string `json:"account"`
}

// Every so many payments there is a long one, which takes the chunked form, and
// a withdrawn one: a tombstone.
const (
	longEvery      = 2500
	withdrawnEvery = 500

	longPurpose = 150 << 10 // bytes
)

// makePayments makes up n payments, the same ones every time.
func makePayments(n int) iter.Seq[*natsgo.Msg] {
	return func(yield func(*natsgo.Msg) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range n {
			if !yield(newPayment(random, i)) {
				return
			}
		}
	}
}

func newPayment(random *rand.Rand, i int) *natsgo.Msg {
	var (
		regions = []string{"eu", "us", "apac"}
		kinds   = []string{"card", "transfer", "debit"}
		debtor  = newParty(random)
		region  = pickOne(random, regions)
	)
	m := natsgo.NewMsg("payments." + region + "." + pickOne(random, kinds))
	m.Header.Set(paymentHeader, fmt.Sprintf("pay-%06d", i+1))
	m.Header.Set(boundHeader, "bank-"+region)
	m.Header.Add("Seen-By", "gateway")
	m.Header.Add("Seen-By", "ledger")
	m.Header.Set(nats.KeyHeader, base64.RawURLEncoding.EncodeToString([]byte(debtor.Account)))
	if i%withdrawnEvery == withdrawnEvery-1 {
		m.Header.Set(nats.NullHeader, "value")
		return m
	}
	p := payment{
		ID: fmt.Sprintf("pay-%06d", i+1), Booked: time.Unix(1767225600+int64(i), 0).UTC(),
		Amount:   fmt.Sprintf("%d.%02d", random.IntN(5000), random.IntN(100)),
		Currency: pickOne(random, []string{"EUR", "USD", "JPY"}),
		Debtor:   debtor, Creditor: newParty(random),
		Purpose: "invoice " + strings.Repeat(fmt.Sprintf("%08d ", random.IntN(1e8)), 1+random.IntN(40)),
	}
	if i%longEvery == longEvery/2 {
		p.Purpose = strings.Repeat(p.Purpose, longPurpose/len(p.Purpose))
	}
	m.Data, _ = json.Marshal(p) // strings and a time: it cannot fail
	return m
}

func pickOne(random *rand.Rand, from []string) string { return from[random.IntN(len(from))] }

func newParty(random *rand.Rand) party {
	n := random.IntN(4000)
	return party{Name: fmt.Sprintf("Customer %04d", n), Account: fmt.Sprintf("DE00%018d", n*7919)}
}
