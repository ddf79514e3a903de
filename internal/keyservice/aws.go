package keyservice

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

// awsKMS speaks to AWS KMS by its own client, with the credentials that every
// program there finds: environment, shared files, the machine's or pod's role.
type awsKMS struct {
	client *kms.Client
	key    string
}

// regionOf is where the key lives, by its ARN.
func regionOf(text string) (string, error) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "kms" || a.Region == "" || !strings.HasPrefix(a.Resource, "key/") && !strings.HasPrefix(a.Resource, "alias/") {
		return "", errors.New("keyservice: want aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID")
	}
	return a.Region, nil
}

func openAWS(ctx context.Context, key string, o Options) (*awsKMS, error) {
	region, err := regionOf(key)
	if err != nil {
		return nil, err
	}
	// The client itself reads where another endpoint is; a way in clear is
	// refused here.
	for _, name := range []string{"AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"} {
		if text := os.Getenv(name); text != "" {
			u, err := url.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("keyservice: %s cannot be read", name)
			}
			if err := o.checkTLS(u); err != nil {
				return nil, err
			}
			break
		}
	}
	c, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, fmt.Errorf("keyservice: settings for AWS: %w", err)
	}
	return &awsKMS{kms.NewFromConfig(c), key}, nil
}

// context binds a ciphertext to its associated data; AWS shows it in its log.
func (awsKMS) context(aad []byte) map[string]string {
	return map[string]string{"associatedData": hex.EncodeToString(aad)}
}

func (k *awsKMS) encrypt(ctx context.Context, plain, aad []byte) ([]byte, error) {
	out, err := k.client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(k.key), Plaintext: plain, EncryptionContext: k.context(aad)})
	if err != nil {
		return nil, awsFault(err)
	}
	return out.CiphertextBlob, nil
}

func (k *awsKMS) decrypt(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{KeyId: aws.String(k.key), CiphertextBlob: sealed, EncryptionContext: k.context(aad)})
	if err != nil {
		return nil, awsFault(err)
	}
	return out.Plaintext, nil
}

// awsFault tells the kinds apart by the codes of AWS KMS's API reference.
func awsFault(err error) error {
	var wrong *types.InvalidCiphertextException
	var other *types.IncorrectKeyException
	if errors.As(err, &wrong) || errors.As(err, &other) {
		return ErrWrong
	}
	var said smithy.APIError
	if !errors.As(err, &said) {
		var signing interface{ Error() string } = err
		if strings.Contains(signing.Error(), "credentials") { // of none, there is no type
			return fmt.Errorf("%w: there are no credentials for AWS", ErrRefused)
		}
		return fmt.Errorf("%w: no answer", ErrAway)
	}
	switch code := said.ErrorCode(); code {
	case "AccessDeniedException", "DisabledException", "KMSInvalidStateException", "NotFoundException", "InvalidKeyUsageException", "InvalidArnException",
		"UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken", "ExpiredTokenException", "InvalidClientTokenId",
		"OptInRequired", "ValidationException":
		return fmt.Errorf("%w: %s", ErrRefused, code)
	default:
		return fmt.Errorf("%w: %s", ErrAway, code)
	}
}
