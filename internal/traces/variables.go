package traces

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"golang.org/x/net/http/httpguts"

	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Variables of an exporter (the specification of OpenTelemetry, OTLP exporter
// configuration). Each has a form for traces alone, which comes first.
const (
	variablePrefix = "OTEL_EXPORTER_OTLP_"
	tracesPrefix   = variablePrefix + "TRACES_"
)

// variables are the settings of the environment.
type variables struct {
	header  http.Header // may have secrets
	tls     *tls.Config
	timeout time.Duration
	share   float64 // of traces that are sent
	// attributes describe the process, beside its version and instance.
	attributes []*commonpb.KeyValue
}

// getVariable returns the value of a variable, and its whole name.
func getVariable(name string) (value, variable string) {
	if value := os.Getenv(tracesPrefix + name); value != "" {
		return value, tracesPrefix + name
	}
	return os.Getenv(variablePrefix + name), variablePrefix + name
}

// readVariables reads the environment. Errors show no value of a header.
func readVariables() (*variables, error) {
	v := new(variables)
	for _, read := range []func() error{v.readRequests, v.readSampler, v.readResource, v.readTLS} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// readRequests reads how requests are made.
func (v *variables) readRequests() error {
	if protocol, name := getVariable("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return hint.New(name+": spans are sent by http/protobuf alone",
			"unset it, and name the collector's port for HTTP, by custom 4318")
	}
	text, name := getVariable("TIMEOUT")
	ms, err := strconv.ParseUint(cmp.Or(text, "10000"), 10, 31)
	if err != nil || ms == 0 {
		return hint.New(name+": not a number of milliseconds", "leave it out for 10000")
	}
	v.timeout = time.Duration(ms) * time.Millisecond
	text, name = getVariable("HEADERS")
	if v.header, err = parseHeaders(text); err != nil {
		return hint.PrefixError(name, err)
	}
	return nil
}

// readSampler reads which share of traces is sent. Each trace begins in this
// process, so that parents decide nothing.
func (v *variables) readSampler() (err error) {
	switch name := strings.TrimPrefix(os.Getenv("OTEL_TRACES_SAMPLER"), "parentbased_"); name {
	case "", "always_on":
		v.share = 1
	case "always_off":
	case "traceidratio":
		v.share, err = strconv.ParseFloat(cmp.Or(os.Getenv("OTEL_TRACES_SAMPLER_ARG"), "1"), 64)
		if err != nil || !(v.share >= 0 && v.share <= 1) {
			return hint.New("OTEL_TRACES_SAMPLER_ARG: not a share", "a number from 0 to 1, such as 0.01")
		}
	default:
		return hint.New("OTEL_TRACES_SAMPLER: not a sampler that is known here",
			"always_on, always_off or traceidratio, with parentbased_ before it or not")
	}
	return nil
}

// readResource reads the description of this process.
func (v *variables) readResource() error {
	const name = "OTEL_RESOURCE_ATTRIBUTES"
	service := cmp.Or(os.Getenv("OTEL_SERVICE_NAME"), "streamcrypt")
	fields, err := parseList(os.Getenv(name))
	if err != nil {
		return hint.New(name+": not a list", "deployment.environment.name=production,service.namespace=payments")
	}
	for _, field := range fields {
		if field.name != "service.name" {
			v.attributes = append(v.attributes, textOf(cleanText(field.name), field.value))
		} else if os.Getenv("OTEL_SERVICE_NAME") == "" {
			service = field.value
		}
	}
	v.attributes = append(v.attributes, textOf("service.name", service))
	return nil
}

// describeProcess describes this process. Names that the environment has given
// already are left as they are.
func (v *variables) describeProcess(o *Options) *resourcepb.Resource {
	about := &resourcepb.Resource{Attributes: v.attributes}
	for _, own := range []*commonpb.KeyValue{
		textOf("service.version", o.Version), textOf("service.instance.id", o.Instance),
	} {
		if !slices.ContainsFunc(about.Attributes, func(a *commonpb.KeyValue) bool { return a.Key == own.Key }) {
			about.Attributes = append(about.Attributes, own)
		}
	}
	return about
}

// listField is one of name=value,name=value.
type listField struct{ name, value string }

var errNoList = errors.New("not of the form name=value,name=value")

// parseList reads fields with values that are escaped as in URLs.
func parseList(text string) (fields []listField, err error) {
	for field := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(field) == "" {
			continue
		}
		name, escaped, found := strings.Cut(field, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		if !found || name == "" || err != nil {
			return nil, errNoList // the other error may show a secret
		}
		fields = append(fields, listField{name, value})
	}
	return fields, nil
}

// parseHeaders reads headers of the form name=value,name=value.
func parseHeaders(text string) (http.Header, error) {
	header := make(http.Header)
	fields, err := parseList(text)
	for _, f := range fields {
		if !httpguts.ValidHeaderFieldName(f.name) || !httpguts.ValidHeaderFieldValue(f.value) {
			err = errNoList
		}
		header.Add(f.name, f.value)
	}
	if err != nil {
		return nil, hint.New("not a list of headers", "authorization=Bearer%20TOKEN")
	}
	return header, nil
}

// readTLS reads the files of certificates.
func (v *variables) readTLS() error {
	trusted, trustedName := getVariable("CERTIFICATE")
	certificate, certificateName := getVariable("CLIENT_CERTIFICATE")
	key, _ := getVariable("CLIENT_KEY")
	if trusted == "" && certificate == "" {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if trusted != "" {
		pem, err := os.ReadFile(trusted)
		if err != nil {
			return fmt.Errorf("%s: %w", trustedName, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return hint.New(trustedName+": no certificate in "+trusted, "name a file in PEM")
		}
	}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return fmt.Errorf("%s: %w", certificateName, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	v.tls = config
	return nil
}
