package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// keyedFolder is where the broker finds its key and certificate.
const keyedFolder = "/bench-tls"

// Files of that folder.
const (
	keyedFile = "broker.pem" // key and certificate
	rootFile  = "ca.pem"     // the certificate, which signs itself
)

// writeCertificate writes a key and a certificate for loopback into a folder.
// The broker reads them as another user, if the engine maps users.
func writeCertificate(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:      pkix.Name{CommonName: "streamcrypt bench"}, // Java reads none without a name
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyed := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), certificate...)
	return errors.Join(
		os.WriteFile(filepath.Join(folder, keyedFile), keyed, 0o644), //nolint:gosec // lives as long as this broker
		os.WriteFile(filepath.Join(folder, rootFile), certificate, 0o600),
	)
}

// dialConfig returns the settings with which contenders dial: none where the
// broker speaks plain text.
func (j *job) dialConfig() (*tls.Config, error) {
	if j.roots == "" {
		return nil, nil //nolint:nilnil // no TLS
	}
	text, err := os.ReadFile(j.roots)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in " + j.roots)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, nil
}
