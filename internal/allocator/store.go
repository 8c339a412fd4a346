package allocator

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Store is where claims are kept. Its errors are the API server's (k8s.io/apimachinery/pkg/api/errors).
// FakeStore is one for tests.
type Store interface {
	// Create makes the claim: AlreadyExists where somebody has the number. It fills in what the API server sets.
	Create(ctx context.Context, a *v1alpha1.NodePortAllocation) error
	// Get reads the present claim of a number, never from a cache: NotFound where there is none.
	Get(ctx context.Context, number int32) (*v1alpha1.NodePortAllocation, error)
	// Update writes a claim: Conflict where it is not the one that was read any more.
	Update(ctx context.Context, a *v1alpha1.NodePortAllocation) error
	// Delete removes a claim: Conflict where it is not the one that was read any more.
	Delete(ctx context.Context, a *v1alpha1.NodePortAllocation) error
}

// NewStore keeps claims in the API server. reader must not read from a cache.
func NewStore(writer client.Writer, reader client.Reader) Store {
	return &clientStore{writer: writer, reader: reader}
}

type clientStore struct {
	writer client.Writer
	reader client.Reader
}

func (s *clientStore) Create(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	return s.writer.Create(ctx, a)
}

func (s *clientStore) Get(ctx context.Context, number int32) (*v1alpha1.NodePortAllocation, error) {
	a := &v1alpha1.NodePortAllocation{}
	return a, s.reader.Get(ctx, client.ObjectKey{Name: NameOf(number)}, a)
}

func (s *clientStore) Update(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	return s.writer.Update(ctx, a)
}

func (s *clientStore) Delete(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	return s.writer.Delete(ctx, a, client.Preconditions{UID: &a.UID, ResourceVersion: &a.ResourceVersion})
}
