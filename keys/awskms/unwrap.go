package awskms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/streamcrypt/streamcrypt/keys"
)

var errForeign = errors.New("wrapped for another key")

// Unwrap implements keys.Unwrapper by Decrypt, which is always told which key.
func (k *Key) Unwrap(ctx context.Context, kc keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	const op = "unwrap"
	if !k.Fits(w) {
		return nil, k.newError(keys.BadWrap, op, errForeign)
	}
	bound, err := k.encryptionContext(kc)
	if err != nil {
		return nil, k.newError(keys.Gone, op, err)
	}
	kid, _ := parseKeyARN(string(w.KID)) // it fits, so it is one
	asked := k.askFor(kid)
	err = k.callGuarded(ctx, op, asked, func(ctx context.Context) error {
		out, err := k.client.Decrypt(ctx, &kms.DecryptInput{
			KeyId:             aws.String(asked),
			CiphertextBlob:    w.Ciphertext,
			EncryptionContext: bound,
		})
		if err != nil {
			return err
		}
		defer clear(out.Plaintext)
		if err := k.checkOpened(asked, out.KeyId, kid); err != nil {
			return k.newError(keys.BadWrap, op, err)
		}
		if n := len(out.Plaintext); n != keys.DEKSize {
			return k.newError(keys.BadWrap, op, fmt.Errorf("it holds %d bytes, not a data key", n))
		}
		dst = append(dst, out.Plaintext...)
		return nil
	})
	if err != nil {
		return nil, k.excuseLateAlias(kid, err)
	}
	return dst, nil
}

// checkOpened checks that KMS used the key which was asked for, and that the
// envelope names it rightly.
func (k *Key) checkOpened(asked string, keyID *string, kid ref) error {
	if r, ok := parseKeyARN(aws.ToString(keyID)); ok && !r.isSameKey(kid) {
		return errForeign // before it is taken for a key behind the alias
	}
	_, err := k.checkUsed(asked, keyID)
	return err
}

// excuseLateAlias makes an error Away for a while by which KMS says that it
// does not see a key behind the alias: an alias that was moved leads to the old
// key for some seconds, and envelopes under the new one come at once.
func (k *Key) excuseLateAlias(kid ref, err error) error {
	var other *types.IncorrectKeyException
	var e *keys.Error
	if k.ref.isKey() || k.hasLedTo(kid) || !errors.As(err, &other) || !errors.As(err, &e) || !k.isLate(time.Now()) {
		return err
	}
	late := *e
	late.Class = keys.Away
	return &late
}
