package webhooks

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"

	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// failure carries an error of ours, as opposed to a verdict, out of a webhook.
type failure struct{ err error }

type failureKey struct{}

// recovering runs serve; a panic is a failure as well.
func (f *failure) recovering(serve func()) {
	defer func() {
		if p := recover(); p != nil {
			f.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	serve()
}

// fail ends a webhook without a verdict. Outside of failOpen's handler it does nothing.
func fail(ctx context.Context, err error) {
	if f, ok := ctx.Value(failureKey{}).(*failure); ok {
		f.err = err
	}
}

// failOpen answers HTTP 500 where a webhook has failed. An AdmissionReview, even one with code 500, would be a
// refusal; a failed call lets the API server apply the failurePolicy: with Ignore it goes on without us.
func failOpen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := &failure{}
		kept := &response{header: http.Header{}, code: http.StatusOK}
		f.recovering(func() { next.ServeHTTP(kept, r.WithContext(context.WithValue(r.Context(), failureKey{}, f))) })
		if f.err != nil {
			logf.FromContext(r.Context()).WithName("admission").Error(f.err, "No verdict", "path", r.URL.Path)
			http.Error(w, "portolan has no verdict, see its log", http.StatusInternalServerError)
			return
		}
		maps.Copy(w.Header(), kept.header)
		w.WriteHeader(kept.code)
		_, _ = w.Write(kept.body.Bytes()) // the API server has gone: nobody is left to tell
	})
}

// response keeps an answer until it is known that it is to be sent.
type response struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(code int)        { r.code = code }
func (r *response) Write(b []byte) (int, error) { return r.body.Write(b) }
