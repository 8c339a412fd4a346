package certificate

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// retryFiles is when to look again for files that are not there, or are no certificate.
const retryFiles = time.Second

// Files is a certificate that somebody else keeps in files, as cert-manager does by way of a mounted Secret. It is read
// again when they change.
type Files struct {
	dir     string
	watcher atomic.Pointer[certwatcher.CertWatcher]
	ready   chan struct{}
}

// NewFiles returns the certificate tls.crt, with its key tls.key, of a directory.
func NewFiles(dir string) *Files { return &Files{dir: dir, ready: make(chan struct{})} }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*Files) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable. It waits for the files as long as it takes.
func (f *Files) Start(ctx context.Context) error {
	for {
		watcher, err := certwatcher.New(filepath.Join(f.dir, corev1.TLSCertKey), filepath.Join(f.dir, corev1.TLSPrivateKeyKey))
		if err == nil {
			f.watcher.Store(watcher)
			close(f.ready)
			return watcher.Start(ctx)
		}
		logf.FromContext(ctx).Error(err, "No certificate for the webhooks yet")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryFiles):
		}
	}
}

// Ready is closed once there is a certificate to serve.
func (f *Files) Ready() <-chan struct{} { return f.ready }

// GetCertificate is the one for tls.Config. It may be called at any time.
func (f *Files) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if watcher := f.watcher.Load(); watcher != nil {
		return watcher.GetCertificate(hello)
	}
	return nil, ErrNone
}
