package awskms

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/streamcrypt/streamcrypt/keys"
)

// maxWrapped is the most bytes that a wrapped key may have in an envelope
// (docs/envelope.md, recipients).
const maxWrapped = 6144

// Generate implements keys.Generator by GenerateDataKey.
func (k *Key) Generate(ctx context.Context, kc keys.Context, dst []byte) ([]byte, keys.Wrapped, error) {
	const op = "generate"
	bound, err := k.encryptionContext(kc)
	if err != nil {
		return nil, keys.Wrapped{}, k.newError(keys.Gone, op, err)
	}
	var w keys.Wrapped
	asked := k.ref.String()
	err = k.callGuarded(ctx, op, asked, func(ctx context.Context) error {
		out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
			KeyId:             aws.String(asked),
			KeySpec:           types.DataKeySpecAes256,
			EncryptionContext: bound,
		})
		if err != nil {
			return err
		}
		defer clear(out.Plaintext)
		if n := len(out.Plaintext); n != keys.DEKSize {
			return k.newError(keys.Gone, op, fmt.Errorf("the answer is a key of %d bytes", n))
		}
		if w, err = k.readWrapped(op, asked, out.KeyId, out.CiphertextBlob); err != nil {
			return err
		}
		dst = append(dst, out.Plaintext...)
		return nil
	})
	if err != nil {
		return nil, keys.Wrapped{}, err
	}
	return dst, w, nil
}

// Wrap implements keys.Wrapper by Encrypt.
func (k *Key) Wrap(ctx context.Context, kc keys.Context, dek []byte) (w keys.Wrapped, err error) {
	const op = "wrap"
	if len(dek) != keys.DEKSize {
		return w, k.newError(keys.Gone, op, fmt.Errorf("a data key of %d bytes", len(dek)))
	}
	bound, err := k.encryptionContext(kc)
	if err != nil {
		return w, k.newError(keys.Gone, op, err)
	}
	asked := k.ref.String()
	err = k.callGuarded(ctx, op, asked, func(ctx context.Context) error {
		out, err := k.client.Encrypt(ctx, &kms.EncryptInput{
			KeyId:             aws.String(asked),
			Plaintext:         dek,
			EncryptionContext: bound,
		})
		if err != nil {
			return err
		}
		w, err = k.readWrapped(op, asked, out.KeyId, out.CiphertextBlob)
		return err
	})
	return w, err
}

// readWrapped returns the wrapped key of an answer, if that is about the key
// that was asked for.
func (k *Key) readWrapped(op, asked string, keyID *string, blob []byte) (keys.Wrapped, error) {
	key, err := k.checkUsed(asked, keyID)
	if err == nil && (len(blob) == 0 || len(blob) > maxWrapped) {
		err = fmt.Errorf("the answer is a wrapped key of %d bytes", len(blob))
	}
	if err != nil {
		return keys.Wrapped{}, k.newError(keys.Gone, op, err)
	}
	return keys.Wrapped{Alg: keys.AlgAWSKMS, KID: []byte(key.String()), Ciphertext: blob}, nil
}
