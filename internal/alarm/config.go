package alarm

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"
	"go.yaml.in/yaml/v3"

	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Config says who is told beside the log. The zero Config is nobody.
type Config struct {
	// Log has the log told, which is also told with any other way.
	Log bool
	// Webhook is a URL that alarms are posted to, and WebhookToken the file of
	// a token for it.
	Webhook, WebhookToken string
	// SNMP is the file that says where INFORMs go: see snmpFile.
	SNMP string
	// Instance names this process.
	Instance string
}

// IsZero tells whether nobody is to be told.
func (c *Config) IsZero() bool {
	return !c.Log && c.Webhook == "" && c.WebhookToken == "" && c.SNMP == ""
}

// OpenSenders reads the configuration. It sends nothing.
func (c *Config) OpenSenders(log *slog.Logger) (all []Sender, err error) {
	if c.Webhook == "" && c.WebhookToken != "" {
		return nil, hint.New("alarm webhook: a token and no URL", "give --alarm-webhook as well")
	}
	if c.Webhook != "" {
		h, err := c.openWebhook(log)
		if err != nil {
			return nil, fmt.Errorf("alarm webhook: %w", err)
		}
		all = append(all, h)
	}
	if c.SNMP != "" {
		s, err := readSNMP(c.SNMP, c.Instance)
		if err != nil {
			return nil, fmt.Errorf("alarm snmp: %w", err)
		}
		all = append(all, s)
	}
	return all, nil
}

func (c *Config) openWebhook(log *slog.Logger) (*webhook, error) {
	u, err := url.Parse(c.Webhook)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, hint.New("not a URL of http or https", "https://HOST/PATH") // the error may show a secret
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, hint.New(u.Host+" is another machine, and http is read by everyone between", "use https")
	case u.User != nil:
		return nil, hint.New("the URL has a password", "put a token into a file for --alarm-webhook-token")
	}
	h := &webhook{url: u.String(), name: u.Scheme + "://" + u.Host + u.Path, instance: c.Instance, client: newClient()}
	if c.WebhookToken != "" {
		if h.token, err = credfile.ReadPassword("alarm webhook token", c.WebhookToken, log); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// snmpFile is the content of the file of Config.SNMP.
type snmpFile struct {
	Address    string `yaml:"address"` // HOST or HOST:PORT; port 162 by default
	User       string `yaml:"user"`
	Auth       string `yaml:"auth"`        // SHA-256 (the default), SHA-384, SHA-512
	AuthKey    string `yaml:"auth-key"`    // passphrase, at least 8 bytes
	Privacy    string `yaml:"privacy"`     // AES-128 (the default), AES-256 (Blumenthal), AES-256-C (Reeder)
	PrivacyKey string `yaml:"privacy-key"` // passphrase, at least 8 bytes
	OID        string `yaml:"oid"`         // where the MIB begins; DefaultOID
}

var (
	authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
		"": gosnmp.SHA256, "SHA-256": gosnmp.SHA256, "SHA-384": gosnmp.SHA384, "SHA-512": gosnmp.SHA512,
	}
	privacyProtocols = map[string]gosnmp.SnmpV3PrivProtocol{
		"": gosnmp.AES, "AES-128": gosnmp.AES, "AES-256": gosnmp.AES256, "AES-256-C": gosnmp.AES256C,
	}
	validOID = regexp.MustCompile(`^1(\.(0|[1-9][0-9]{0,9})){2,40}$`)
)

// leastPassphrase is the shortest passphrase that SNMPv3 allows (RFC 3414,
// section 11.2).
const leastPassphrase = 8

// readSNMP reads the file that says where INFORMs go.
func readSNMP(path, instance string) (*snmpTarget, error) {
	b, mode, err := credfile.Read("alarm snmp", path)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	if mode.Perm()&0o077 != 0 {
		return nil, hint.New(fmt.Sprintf("%s can be read by others than its owner (mode %v)", path, mode.Perm()),
			"chmod 600 "+path)
	}
	var f snmpFile
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	decoder.KnownFields(true)
	if decoder.Decode(&f) != nil { // its error may show a passphrase
		return nil, hint.New(path+" is not a file of address, user, auth, auth-key, privacy, privacy-key and oid",
			"see docs/operate.md, Alarms")
	}
	target, err := f.makeTarget(instance)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return target, nil
}

func (f *snmpFile) makeTarget(instance string) (*snmpTarget, error) {
	host, portText, err := net.SplitHostPort(f.Address)
	if err != nil {
		host, portText = strings.Trim(f.Address, "[]"), "162"
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	auth, knownAuth := authProtocols[f.Auth]
	privacy, knownPrivacy := privacyProtocols[f.Privacy]
	if f.OID == "" {
		f.OID = DefaultOID
	}
	switch {
	case host == "" || err != nil || port == 0:
		return nil, errors.New("address: not HOST or HOST:PORT")
	case f.User == "":
		return nil, errors.New("user: missing")
	case !knownAuth:
		return nil, errors.New("auth: not SHA-256, SHA-384 or SHA-512")
	case !knownPrivacy:
		return nil, errors.New("privacy: not AES-128, AES-256 or AES-256-C")
	case len(f.AuthKey) < leastPassphrase:
		return nil, fmt.Errorf("auth-key: fewer than %d bytes", leastPassphrase)
	case len(f.PrivacyKey) < leastPassphrase:
		return nil, fmt.Errorf("privacy-key: fewer than %d bytes", leastPassphrase)
	case !validOID.MatchString(f.OID):
		return nil, errors.New("oid: not of the form 1.3.6.1.4.1.NUMBER")
	}
	return &snmpTarget{
		address: host, port: uint16(port), oid: f.OID, instance: instance, timeout: 2 * time.Second, retries: 1,
		began: time.Now(), usm: &gosnmp.UsmSecurityParameters{
			UserName: f.User, AuthenticationProtocol: auth, AuthenticationPassphrase: f.AuthKey,
			PrivacyProtocol: privacy, PrivacyPassphrase: f.PrivacyKey,
		},
	}, nil
}
