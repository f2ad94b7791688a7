package alarm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gosnmp/gosnmp"
)

// DefaultOID is where docs/STREAMCRYPT-MIB.txt begins: below the enterprise
// number that RFC 5612 keeps for examples.
const DefaultOID = "1.3.6.1.4.1.32473.9464"

// snmpTarget sends alarms as SNMPv3 INFORMs, which their receiver confirms.
type snmpTarget struct {
	address  string
	port     uint16
	oid      string
	instance string
	usm      *gosnmp.UsmSecurityParameters
	timeout  time.Duration
	retries  int
	began    time.Time
}

// Name implements Sender.
func (s *snmpTarget) Name() string { return fmt.Sprintf("snmp %s:%d", s.address, s.port) }

// Send implements Sender. The engine of the receiver is asked for each time: it
// may have been started again.
func (s *snmpTarget) Send(ctx context.Context, a Alarm) (err error) {
	client := &gosnmp.GoSNMP{
		Context: ctx, Target: s.address, Port: s.port, Transport: "udp", Version: gosnmp.Version3,
		Timeout: s.timeout, Retries: s.retries, MaxOids: gosnmp.MaxOids,
		SecurityModel: gosnmp.UserSecurityModel, MsgFlags: gosnmp.AuthPriv, SecurityParameters: s.usm.Copy(),
	}
	if err := client.Connect(); err != nil {
		return err
	}
	defer func() { _ = client.Conn.Close() }() // nothing is lost with it
	answer, err := client.SendTrap(gosnmp.SnmpTrap{Variables: s.listVariables(a), IsInform: true})
	switch {
	case err != nil:
		return err
	case answer == nil || answer.PDUType != gosnmp.GetResponse:
		return errors.New("the receiver did not confirm the INFORM")
	case answer.Error != gosnmp.NoError:
		return fmt.Errorf("the receiver answers with error %v", answer.Error)
	}
	return nil
}

// listVariables returns the variables of a notification, in the order of the
// MIB.
func (s *snmpTarget) listVariables(a Alarm) []gosnmp.SnmpPDU {
	number := slices.Index(kinds, a.Kind) + 1
	state := 1
	if !a.Raised {
		state = 2
	}
	object := func(n int, kind gosnmp.Asn1BER, value any) gosnmp.SnmpPDU {
		return gosnmp.SnmpPDU{Name: fmt.Sprintf("%s.1.%d.0", s.oid, n), Type: kind, Value: value}
	}
	return []gosnmp.SnmpPDU{
		{Name: "1.3.6.1.2.1.1.3.0", Type: gosnmp.TimeTicks, Value: uint32(time.Since(s.began).Milliseconds() / 10)},
		{Name: "1.3.6.1.6.3.1.1.4.1.0", Type: gosnmp.ObjectIdentifier, Value: fmt.Sprintf("%s.0.%d", s.oid, number)},
		object(1, gosnmp.OctetString, clipText(a.Route)),
		object(2, gosnmp.OctetString, clipText(s.instance)),
		object(3, gosnmp.Integer, state),
		object(4, gosnmp.OctetString, clipText(a.Subject)),
		object(5, gosnmp.Gauge32, uint32(a.Count)),
		object(6, gosnmp.OctetString, clipText(a.Text)),
	}
}

// clipText cuts a text to the 255 bytes of a DisplayString.
func clipText(text string) string {
	if len(text) > 255 {
		text = text[:252] + "..."
	}
	return text
}
