package reserve

import (
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/rules"
)

// unrepeated hands on all warnings but why a number is not reserved: the condition that is waited for says that again.
type unrepeated struct{ rest.WarningHandler }

// HandleWarningHeader implements rest.WarningHandler.
func (u unrepeated) HandleWarningHeader(code int, agent, text string) {
	if !strings.HasPrefix(text, rules.NotReserved) {
		u.WarningHandler.HandleWarningHeader(code, agent, text)
	}
}

// unrepeating is a client whose API server's warnings are unrepeated.
func unrepeating(s *session.Session, c client.Client) (client.Client, error) {
	config, err := s.Config()
	if err != nil {
		return nil, err
	}
	config.WarningHandler = unrepeated{config.WarningHandler}
	return client.New(config, client.Options{Scheme: c.Scheme(), Mapper: c.RESTMapper()})
}
