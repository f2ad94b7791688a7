package cmsder

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// encodeRecipients returns recipientInfos, in the order of DER.
func encodeRecipients(list []Recipient) ([]byte, error) {
	var elements [][]byte
	for i := range list {
		element, err := list[i].encode()
		if err != nil {
			return nil, fmt.Errorf("recipient %d: %w", i+1, err)
		}
		elements = append(elements, element)
	}
	slices.SortFunc(elements, bytes.Compare)
	var b cryptobyte.Builder
	b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
		for _, element := range elements {
			b.AddBytes(element)
		}
	})
	return b.Bytes()
}

// encode returns a RecipientInfo. It names keys by their identifiers.
func (r *Recipient) encode() ([]byte, error) {
	if len(r.KeyID) == 0 || len(r.KeyID) > MaxKeyID || r.Certificate != nil {
		return nil, fmt.Errorf("key identifier of %d bytes", len(r.KeyID))
	}
	var b cryptobyte.Builder
	switch r.Algorithm {
	case KeyWrap:
		b.AddASN1(tag2.Constructed(), r.addKEK)
	case OAEPSHA256:
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { r.addKeyTransport(b, oidSHA256) })
	case OAEPSHA512:
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { r.addKeyTransport(b, oidSHA512) })
	case X25519:
		b.AddASN1(tag1.Constructed(), r.addKeyAgreement)
	default:
		return nil, fmt.Errorf("%w: %v", exchange.ErrUnsupported, r.Algorithm)
	}
	return b.Bytes()
}

func (r *Recipient) addKEK(b *cryptobyte.Builder) {
	b.AddASN1Int64(versionKEK)
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.KeyID) })
	addAlgorithm(b, oidAES256Wrap, nil)
	b.AddASN1OctetString(r.EncryptedKey)
}

func (r *Recipient) addKeyTransport(b *cryptobyte.Builder, hash asn1.ObjectIdentifier) {
	b.AddASN1Int64(version2)
	b.AddASN1(tag0, func(b *cryptobyte.Builder) { b.AddBytes(r.KeyID) })
	addAlgorithm(b, oidOAEP, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tag0.Constructed(), func(b *cryptobyte.Builder) { addAlgorithm(b, hash, nil) })
			b.AddASN1(tag1.Constructed(), func(b *cryptobyte.Builder) {
				addAlgorithm(b, oidMGF1, func(b *cryptobyte.Builder) { addAlgorithm(b, hash, nil) })
			})
		})
	})
	b.AddASN1OctetString(r.EncryptedKey)
}

func (r *Recipient) addKeyAgreement(b *cryptobyte.Builder) {
	b.AddASN1Int64(versionKeyAgreement)
	b.AddASN1(tag0.Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(tag1.Constructed(), func(b *cryptobyte.Builder) {
			addAlgorithm(b, oidX25519, nil)
			b.AddASN1BitString(r.Ephemeral)
		})
	})
	if r.UKM != nil {
		b.AddASN1(tag1.Constructed(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.UKM) })
	}
	addAlgorithm(b, oidHKDFSHA256Scheme, func(b *cryptobyte.Builder) { addAlgorithm(b, oidAES256Wrap, nil) })
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tag0.Constructed(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.KeyID) })
			b.AddASN1OctetString(r.EncryptedKey)
		})
	})
}

// addAlgorithm adds an AlgorithmIdentifier; parameters may be nil.
func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, parameters cryptobyte.BuilderContinuation) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if parameters != nil {
			parameters(b)
		}
	})
}
