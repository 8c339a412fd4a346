package webhooks

import (
	"context"
	"net/http"
	"time"
)

// defaultTimeout is the timeoutSeconds of config/webhook.
const defaultTimeout = 3 * time.Second

// longestTimeout is the highest that timeoutSeconds may be.
const longestTimeout = 30 * time.Second

// timely has a webhook give up in time to undo what it did: after two thirds of the time that the API server waits.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience(r))
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// patience is how long a webhook has: more than nothing, and never more than the API server waits.
func patience(r *http.Request) time.Duration { return max(1, min(timeoutOf(r), longestTimeout)*2/3) }

// timeoutOf is how long the API server waits, as it says in each call: the webhook's timeoutSeconds, or what is left of
// the user's request where that is less.
func timeoutOf(r *http.Request) time.Duration {
	timeout, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || timeout <= 0 {
		return defaultTimeout
	}
	return timeout
}
