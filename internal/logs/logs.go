// Package logs makes the programs' logger.
//
// The policy: no verbosity brings a secret into a log. client-go logs what it sends and receives, from a verbosity of 8 on,
// body by body, as it is: the webhooks' key where the manager writes its Secret, the tokens of those who read metrics. So
// what is asked for from there on is not logged at all; which requests there were, and how they went, is said before.
package logs

import (
	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// bodies is the verbosity from which client-go logs them: logBody in k8s.io/client-go/rest/request.go.
const bodies = 8

// New is the logger that the flags ask for (zap.Options.BindFlags), but for what is more verbose than bodies allow.
func New(o zap.Options) logr.Logger {
	return zap.New(zap.UseFlagOptions(&o), func(o *zap.Options) {
		if o.Level != nil { // nil is Info
			o.Level = discreet{o.Level}
		}
	})
}

// discreet enables no level that has bodies in it. zapr has V(n) as level -n.
type discreet struct{ zapcore.LevelEnabler }

// Enabled implements zapcore.LevelEnabler.
func (d discreet) Enabled(level zapcore.Level) bool {
	return level > -bodies && d.LevelEnabler.Enabled(level)
}
