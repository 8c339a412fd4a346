// Package premises is what lint and explain take as given: a cluster as it is now, or what files say is there.
package premises

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/crdschema"
	"github.com/portolan-dev/portolan/internal/cli/manifest"
	"github.com/portolan-dev/portolan/internal/cli/world"
	"github.com/portolan-dev/portolan/internal/decision"
)

// ErrFindings is returned where all was read, and a manifest or a live Service is not as the rules want it. It has been said
// then.
var ErrFindings = errors.New("there are findings")

// Cluster is where a cluster's objects come from, and what flags and the kubeconfig say. A nil Cluster: there are only files.
type Cluster interface {
	// Objects reads all that decides about Services. gaps says in a sentence what the caller may not read; "": nothing.
	Objects(ctx context.Context) (objects world.Objects, gaps string, err error)
	// Ask has the API server judge a Service by a dry run, with the caller's rights: nothing is changed. anew: as if there were
	// none of that name. That it is refused, or that the caller may not ask, is no error.
	Ask(ctx context.Context, svc *corev1.Service, anew bool) (Ruling, error)
	// Usages are what a namespace is told that it has of its pools; none where the caller may not read that.
	Usages(ctx context.Context, namespace string) ([]v1alpha1.NodePortUsage, error)
	// Namespace is that of objects that name none.
	Namespace() (string, error)
	// ClusterRange is the API server's node port range as flags say it; the zero value: they do not.
	ClusterRange() (v1alpha1.PortRange, error)
	// Now is the time.
	Now() time.Time
}

// Flags say what is given.
type Flags struct {
	// Pools are files with what is there already.
	Pools []string
	// Live: the cluster is asked.
	Live bool
	// Recursive goes into the directories of a directory.
	Recursive bool
}

// AddFilesTo adds the flags about files. recursive: unless it is said otherwise directories of a directory are gone into.
func (f *Flags) AddFilesTo(flags *pflag.FlagSet, recursive bool) {
	flags.BoolVarP(&f.Recursive, "recursive", "R", recursive, "Go into the directories of a directory.")
	flags.StringSliceVar(&f.Pools, "pools", nil, "Files and directories with the pools, reservations, accesses and Namespaces that are there; "+
		"they are taken as they are, and not judged.")
}

// Premises are what is given.
type Premises struct {
	Objects world.Objects
	// Reading is how files are to be read.
	Reading manifest.Options
	// Complete: they are those of a cluster. Unknown says in a sentence what is not among them; "": nothing.
	Complete bool
	Unknown  string
	Now      time.Time

	reservations []*v1alpha1.NodePortReservation // of files
}

// filesAlone is what files do not tell.
const filesAlone = "Judged by files alone: which numbers a cluster's Services have, what else uses numbers on its nodes, and its Pods are not known, and were not looked at."

// Load finds out what is given. What cannot be read ends it: to judge by half of it would be to guess.
func Load(ctx context.Context, cluster Cluster, flags Flags, stdin io.Reader) (*Premises, error) {
	schemas, err := crdschema.Load()
	if err != nil {
		return nil, err
	}
	p := &Premises{
		Reading:  manifest.Options{Namespace: corev1.NamespaceDefault, Recursive: flags.Recursive, Schemas: schemas},
		Complete: flags.Live, Unknown: filesAlone, Now: time.Now(),
	}
	if err := p.ask(ctx, cluster); err != nil {
		return nil, err
	}
	set := manifest.Read(flags.Pools, stdin, p.Reading)
	p.add(set)
	return p, unreadable(set)
}

// ask asks the cluster, or only the kubeconfig and the flags.
func (p *Premises) ask(ctx context.Context, cluster Cluster) error {
	if cluster == nil {
		if p.Complete {
			return errors.New("there is no cluster to ask")
		}
		return nil
	}
	p.Now = cluster.Now()
	namespace, err := cluster.Namespace()
	switch {
	case err == nil:
		p.Reading.Namespace = namespace
	case p.Complete:
		return err // else there need be no kubeconfig
	}
	if p.Complete {
		if p.Objects, p.Unknown, err = cluster.Objects(ctx); err != nil {
			return err
		}
	}
	if given, err := cluster.ClusterRange(); err != nil || given != (v1alpha1.PortRange{}) {
		p.Objects.ClusterRange = given
		return err
	}
	return nil
}

// add adds what files say is there.
func (p *Premises) add(set *manifest.Set) {
	for _, pool := range set.Pools {
		p.Objects.Pools = append(p.Objects.Pools, *pool.Value)
	}
	for _, r := range set.Reservations {
		p.reservations = append(p.reservations, r.Value)
	}
	for _, a := range set.Accesses {
		p.Objects.Accesses = append(p.Objects.Accesses, *a.Value)
	}
	for _, n := range set.Namespaces {
		p.Objects.Namespaces = append(p.Objects.Namespaces, *n.Value)
	}
}

// unreadable is all that cannot be read of a set, in one error; nil for nothing.
func unreadable(set *manifest.Set) error {
	errs := []error{Troubles(set)}
	for _, o := range set.Objects {
		for _, f := range o.Flaws {
			errs = append(errs, manifest.Trouble{File: o.File, Line: o.LineOf(f.Field), Err: fmt.Errorf("%s: %s: %s", o, f.Field, f.Text)})
		}
	}
	return errors.Join(errs...)
}

// Troubles are what could not be read at all, in one error; nil for nothing.
func Troubles(set *manifest.Set) error {
	var errs []error
	for _, t := range set.Troubles {
		errs = append(errs, t)
	}
	return errors.Join(errs...)
}

// World is a world in which the premises hold. Reservations of files have got what they would get, in their order: a
// cluster's have it in its ledger.
func (p *Premises) World() *world.World {
	w := world.New(p.Objects, p.Now, p.Complete)
	w.Unknown = p.Unknown
	for _, r := range p.reservations {
		labels, unknown := w.Labels(r.Namespace)
		if len(unknown) > 0 {
			continue
		}
		promise := decision.ForetellReservation(w.Ledger, r, labels, p.Now)
		w.Apply(types.NamespacedName{Namespace: r.Namespace, Name: r.Spec.ServiceName}, r.Name, promise.Numbers)
	}
	return w
}
