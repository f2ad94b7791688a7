package keyring

import (
	"errors"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/dir"
)

// storeScheme is the one kind of store that this build has.
const storeScheme = "file"

// StoreBeginning is the beginning of a store's URL, and StoreForm its form.
const (
	StoreBeginning = storeScheme + ":"
	StoreForm      = StoreBeginning + "DIR"
)

// StoreText is the kind of store in one sentence, without the full stop.
const StoreText = "a directory of key records, for --keystore: one file for each record"

// CheckStore refuses a URL that is not that of a store. It opens nothing.
func CheckStore(url string) error {
	_, err := readStoreURL(url)
	return err
}

// OpenStore opens a store.
func OpenStore(url string) (kekcache.Store, error) {
	path, err := readStoreURL(url)
	if err != nil {
		return nil, err
	}
	return dir.Open(path)
}

// StorePath returns the folder of a store, or "" if the URL is not that of a
// store in the file system.
func StorePath(url string) string {
	path, err := readDirURL(url)
	if err != nil {
		return ""
	}
	return path
}

// readStoreURL returns the directory that the URL of a store names.
func readStoreURL(url string) (string, error) {
	path, err := readDirURL(url)
	if err != nil {
		return "", hint.PrefixError("key store", err)
	}
	return path, nil
}

func readDirURL(url string) (string, error) {
	a, err := address.Parse(url)
	if errors.Is(err, address.ErrNoScheme) && url != "" && !strings.Contains(url, "://") {
		a, err = address.Parse(StoreBeginning + url)
	}
	switch {
	case errors.Is(err, address.ErrNoScheme):
		return "", &hint.Error{Err: err, Hint: "write " + StoreForm}
	case err != nil:
		return "", err
	case a.Scheme != storeScheme:
		return "", &hint.Error{Err: address.NewUnknownError("scheme", a.Scheme, []string{storeScheme}),
			Hint: "write " + StoreForm}
	}
	if err := a.Params().Check(); err != nil {
		return "", err
	}
	path, err := a.LocalPath()
	if err != nil {
		return "", &hint.Error{Err: err, Hint: "write " + StoreForm}
	}
	return path, nil
}
