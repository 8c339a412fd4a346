package session

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/scheme"
)

// Client is the caller's way to the cluster of the flags, with the kinds of Kubernetes and ours.
func (s *Session) Client() (client.WithWatch, error) {
	if s.client != nil {
		return s.client, nil
	}
	config, err := s.Config()
	if err != nil {
		return nil, err
	}
	mapper, err := s.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	s.client, err = client.NewWithWatch(config, client.Options{Scheme: scheme.New(), Mapper: mapper})
	return s.client, err
}

// Config is how the cluster of the flags is reached. Warnings of the API server go to the error stream, each once.
func (s *Session) Config() (*rest.Config, error) {
	config, err := s.ToRESTConfig()
	if err != nil {
		return nil, misconfigured(err)
	}
	if s.nowhere(config) {
		return nil, errors.New("there is no kubeconfig: name one by KUBECONFIG or --kubeconfig, or a cluster by --server")
	}
	config.WarningHandler = rest.NewWarningWriter(s.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	config.QPS = -1 // the API server's priority and fairness keeps order
	config.UserAgent = "kubectl-portolan"
	return config, nil
}

// nowhere says whether a config is that of kubectl where nobody says which cluster: localhost:8080.
func (s *Session) nowhere(config *rest.Config) bool {
	raw, err := s.ToRawKubeConfigLoader().RawConfig()
	return err == nil && len(raw.Clusters) == 0 && config.Host == "http://localhost:8080" && (s.APIServer == nil || *s.APIServer == "")
}

// misconfigured says what to do about a kubeconfig that leads nowhere.
func misconfigured(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; see KUBECONFIG, --kubeconfig and --context", err)
}
