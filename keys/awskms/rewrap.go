package awskms

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/streamcrypt/streamcrypt/keys"
)

var errCannotRewrap = errors.New("KMS rewraps between KMS keys of one region and one caller only")

// CanRewrap implements keys.Rewrapper. One call of KMS moves a wrapped key
// between two keys of one region, by the caller of the new one. An alias or an
// id means another key in another account, so the old key must be given by ARN
// unless the same caller asks for both.
func (k *Key) CanRewrap(from keys.Unwrapper) bool {
	old, ok := from.(*Key)
	if !ok || old.caller.region != k.caller.region || old.caller.endpoint != k.caller.endpoint {
		return false
	}
	return old.ref.isFull() || old.caller == k.caller
}

// Rewrap implements keys.Rewrapper by ReEncrypt: the data key does not leave
// KMS. The caller needs kms:ReEncryptFrom for the old key and kms:ReEncryptTo
// for the new one.
func (k *Key) Rewrap(
	ctx context.Context, kc keys.Context, from keys.Unwrapper, w *keys.Wrapped,
) (moved keys.Wrapped, err error) {
	const op = "rewrap"
	if !k.CanRewrap(from) {
		return moved, k.newError(keys.Gone, op, errCannotRewrap)
	}
	old := from.(*Key)
	if !old.Fits(w) {
		return moved, k.newError(keys.BadWrap, op, errForeign)
	}
	kid, _ := parseKeyARN(string(w.KID)) // it fits, so it is one
	source, err := old.encryptionContext(kc)
	if err != nil {
		return moved, k.newError(keys.Gone, op, err)
	}
	destination, err := k.encryptionContext(kc)
	if err != nil {
		return moved, k.newError(keys.Gone, op, err)
	}
	asked, askedOld := k.ref.String(), old.askFor(kid)
	err = k.callGuarded(ctx, op, asked+" from "+askedOld, func(ctx context.Context) error {
		out, err := k.client.ReEncrypt(ctx, &kms.ReEncryptInput{
			CiphertextBlob:               w.Ciphertext,
			SourceKeyId:                  aws.String(askedOld),
			SourceEncryptionContext:      source,
			DestinationKeyId:             aws.String(asked),
			DestinationEncryptionContext: destination,
		})
		if err != nil {
			return err
		}
		if err := old.checkOpened(askedOld, out.SourceKeyId, kid); err != nil {
			return k.newError(keys.BadWrap, op, err)
		}
		moved, err = k.readWrapped(op, asked, out.KeyId, out.CiphertextBlob)
		return err
	})
	if err != nil {
		return keys.Wrapped{}, old.excuseLateAlias(kid, err)
	}
	return moved, nil
}
