package awskms

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/streamcrypt/streamcrypt/keys"
)

var _ keys.Prober = (*Key)(nil)

// Probe implements keys.Prober by GenerateDataKey or Encrypt with DryRun, for
// which KMS checks the key, the caller's rights and the encryption context, and
// makes nothing. CloudTrail has such calls too.
func (k *Key) Probe(ctx context.Context, kc keys.Context, generate bool) error {
	const op = "probe"
	bound, err := k.encryptionContext(kc)
	if err != nil {
		return k.newError(keys.Gone, op, err)
	}
	asked := k.ref.String()
	return k.callGuarded(ctx, op, asked, func(ctx context.Context) (err error) {
		if generate {
			var out *kms.GenerateDataKeyOutput
			out, err = k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
				KeyId: aws.String(asked), KeySpec: types.DataKeySpecAes256, EncryptionContext: bound,
				DryRun: aws.Bool(true),
			})
			if err == nil { // an emulator that knows no dry runs
				clear(out.Plaintext)
			}
		} else {
			_, err = k.client.Encrypt(ctx, &kms.EncryptInput{
				KeyId: aws.String(asked), Plaintext: make([]byte, keys.DEKSize), EncryptionContext: bound,
				DryRun: aws.Bool(true),
			})
		}
		var would *types.DryRunOperationException
		if errors.As(err, &would) {
			return nil
		}
		return err
	})
}
