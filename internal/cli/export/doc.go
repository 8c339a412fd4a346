// Package export is the verb of that name: it reads the cluster, takes the inventory of its node ports, writes that in the
// format that was asked for, and with Watch keeps the file in step.
//
// A file is replaced in one step, and only by another text. While the cluster cannot be read it stays as it is: what is in
// front of the nodes goes on with what it knows.
package export
