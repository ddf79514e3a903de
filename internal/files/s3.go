package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// partSize bounds a file at 10,000 parts: 156 GiB; two parts are in memory.
const partSize = 16 << 20

type bucketS3 struct {
	place
	client   *s3.Client
	transfer *transfermanager.Client
}

func openS3(ctx context.Context, p place) (*bucketS3, error) {
	var more []func(*config.LoadOptions) error
	if p.region != "" {
		more = append(more, config.WithRegion(p.region))
	}
	c, err := config.LoadDefaultConfig(ctx, more...)
	if err != nil {
		return nil, fmt.Errorf("files: settings for S3: %w", err)
	}
	if c.Region == "" {
		c.Region = "us-east-1" // services other than AWS's have none, and want one named
	}
	client := s3.NewFromConfig(c, func(o *s3.Options) {
		if p.endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(p.endpoint), true
			// Not every service knows the newer sums; the signature has the body's.
			o.RequestChecksumCalculation, o.ResponseChecksumValidation = aws.RequestChecksumCalculationWhenRequired, aws.ResponseChecksumValidationWhenRequired
		}
	})
	transfer := transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = partSize, partSize, 2
		o.RequestChecksumCalculation = client.Options().RequestChecksumCalculation
	})
	return &bucketS3{p, client, transfer}, nil
}

func (b *bucketS3) key(name string) (*string, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("files: %q: %w", name, err)
	}
	return aws.String(b.prefix + name), nil
}

// Put implements Bucket. A large file goes in parts, which are taken back when
// it fails.
func (b *bucketS3) Put(ctx context.Context, name string, body io.Reader) error {
	key, err := b.key(name)
	if err != nil {
		return err
	}
	from := &source{Reader: body}
	if _, err = b.transfer.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &b.bucket, Key: key, Body: from}); from.err != nil {
		return fmt.Errorf("files: %s: %w", name, from.err)
	}
	return fault(ctx, name, err)
}

// Add implements Bucket.
func (b *bucketS3) Add(ctx context.Context, name string, body []byte) error {
	key, err := b.key(name)
	if err != nil {
		return err
	}
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.bucket, Key: key, Body: bytes.NewReader(body), IfNoneMatch: aws.String("*")})
	return fault(ctx, name, err)
}

// Get implements Bucket.
func (b *bucketS3) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	key, err := b.key(name)
	if err != nil {
		return nil, err
	}
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: key})
	if err != nil {
		return nil, fault(ctx, name, err)
	}
	return out.Body, nil
}

// Remove implements Bucket.
func (b *bucketS3) Remove(ctx context.Context, name string) error {
	key, err := b.key(name)
	if err != nil {
		return err
	}
	_, err = b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: key})
	if err = fault(ctx, name, err); errors.Is(err, ErrNone) {
		return nil
	}
	return err
}

// List implements Bucket. The service orders by the bytes of the keys.
func (b *bucketS3) List(ctx context.Context, prefix string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: aws.String(b.prefix + prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(File{}, fault(ctx, prefix, err))
				return
			}
			for _, o := range page.Contents {
				name := strings.TrimPrefix(aws.ToString(o.Key), b.prefix)
				if checkName(name) != nil {
					continue
				}
				if !yield(File{name, aws.ToInt64(o.Size), aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// fault tells the kinds apart by the codes of the S3 API reference. A text of
// the other side goes no further.
func fault(ctx context.Context, name string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("files: %s: %w", name, ctx.Err())
	}
	var said smithy.APIError
	if !errors.As(err, &said) {
		if strings.Contains(err.Error(), "credentials") { // of none, there is no type
			return fmt.Errorf("files: %s: %w: there are no credentials for S3", name, ErrRefused)
		}
		return fmt.Errorf("files: %s: %w", name, ErrAway)
	}
	switch code := said.ErrorCode(); code {
	case "NoSuchKey", "NotFound":
		return fmt.Errorf("files: %s: %w", name, ErrNone)
	case "PreconditionFailed":
		return fmt.Errorf("files: %s: %w", name, ErrThere)
	case "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict":
		return fmt.Errorf("files: %s: %w: %s", name, ErrAway, code)
	default:
		return fmt.Errorf("files: %s: %w: %.40s", name, ErrRefused, code)
	}
}
