// Package manifest reads Services, Namespaces and Portolan's kinds out of files, and remembers where in a file each object
// and each field stands. Other kinds are passed over.
//
// What the API server would refuse before any webhook sees it (a field that the kind does not have, a wrong type, a number
// out of bounds) is a Flaw with its line. What cannot be read at all is a Trouble. Neither ends the reading.
package manifest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/crdschema"
)

// Object is one object in a file.
type Object struct {
	schema.GroupVersionKind
	Namespace, Name string
	// File is the name of the file as it was given, "-" for the standard input.
	File string
	// Flaws are why the API server would refuse it, whatever the cluster. With any of them that is Fatal its value is not
	// to be judged.
	Flaws []Flaw

	at position
}

// String is `Service "shop/web"`.
func (o *Object) String() string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return fmt.Sprintf("%s %q", o.Kind, name)
}

// Readable says whether its value may be judged.
func (o *Object) Readable() bool {
	for _, f := range o.Flaws {
		if f.Fatal {
			return false
		}
	}
	return true
}

// Line is where the object begins, from 1.
func (o *Object) Line() int { return o.at.lineOf("") }

// LineOf is where a field stands ("spec.ports[0].nodePort"); where it is not there, its nearest parent that is.
func (o *Object) LineOf(field string) int { return o.at.lineOf(field) }

// Flaw is a field that the API server would refuse.
type Flaw struct {
	Field, Text string
	// Fatal: the object cannot be read as what it says it is.
	Fatal bool
}

// Of is an object with its value. The defaults of its kind are filled in.
type Of[T any] struct {
	*Object
	Value T
}

// Set is what was read, in the order of the files.
type Set struct {
	Services     []Of[*corev1.Service]
	Namespaces   []Of[*corev1.Namespace]
	Pools        []Of[*v1alpha1.NodePortPool]
	Reservations []Of[*v1alpha1.NodePortReservation]
	Accesses     []Of[*v1alpha1.NodePortAccess]
	// Objects are all of them.
	Objects []*Object
	// Troubles are files, or documents of files, that cannot be read.
	Troubles []Trouble
	// Files are how many files were read.
	Files int
}

// Trouble is what cannot be read. Line is 0 where it is the whole file.
type Trouble struct {
	File string
	Line int
	Err  error
}

// Error is "file:line: text".
func (t Trouble) Error() string {
	if t.Line == 0 {
		return fmt.Sprintf("%s: %v", t.File, t.Err)
	}
	return fmt.Sprintf("%s:%d: %v", t.File, t.Line, t.Err)
}

// Options say how files are read.
type Options struct {
	// Namespace is that of objects that name none.
	Namespace string
	// Recursive goes into the directories of a directory.
	Recursive bool
	// Schemas are those of Portolan's kinds.
	Schemas crdschema.Schemas
}
