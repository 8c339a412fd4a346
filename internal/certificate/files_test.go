package certificate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFilesAreWaitedForAndReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	write := func() []byte {
		data := quickly(t, nil, everything, time.Now())
		for _, key := range []string{serverKey, serverCert} {
			if err := os.WriteFile(filepath.Join(dir, key), data[key], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return certificatesIn(data[serverCert])[0].Raw
	}
	files := NewFiles(dir)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- files.Start(ctx) }()
	if _, err := files.GetCertificate(nil); !errors.Is(err, ErrNone) {
		t.Errorf("without files: %v", err)
	}

	first := write()
	<-files.Ready()
	wantServed(t, files, first)
	wantServed(t, files, write())
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func wantServed(t *testing.T, files *Files, leaf []byte) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if c, err := files.GetCertificate(nil); err == nil && string(c.Leaf.Raw) == string(leaf) {
			return
		}
	}
	t.Fatal("the files are not served")
}
