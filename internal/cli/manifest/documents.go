package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kyaml "sigs.k8s.io/yaml"
)

// file reads the documents of a file. Their values are read as kubectl reads them (sigs.k8s.io/yaml); a second parser, which
// keeps the tree, tells where things stand.
func (r *reader) file(name string, from io.Reader) {
	r.set.Files++
	text, err := io.ReadAll(from)
	if err != nil {
		r.set.Troubles = append(r.set.Troubles, Trouble{File: name, Err: withoutPath(err)})
		return
	}
	before := 0
	for _, document := range documents(text) {
		if line, err := r.document(name, document, before); err != nil {
			r.set.Troubles = append(r.set.Troubles, Trouble{File: name, Line: line, Err: err})
		}
		before += bytes.Count(document, []byte("\n"))
	}
}

// documents cuts a file before each line that begins a document.
func documents(text []byte) [][]byte {
	var all [][]byte
	begin := 0
	for at := 0; at < len(text); {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if rest, ok := bytes.CutPrefix(text[at:end], []byte("---")); ok && at > begin && bytes.IndexAny(rest, " \t\r\n") <= 0 {
			all, begin = append(all, text[begin:at]), at
		}
		at = end
	}
	return append(all, text[begin:])
}

// document reads the object, or the objects of the list, of a document. The line is where an error is.
func (r *reader) document(file string, text []byte, before int) (line int, err error) {
	tree := yaml.Node{}
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return located(err, before)
	}
	if len(tree.Content) == 0 {
		return 0, nil
	}
	at := position{tree.Content[0], before}
	data, err := kyaml.YAMLToJSON(text)
	if err != nil {
		return located(err, before)
	}
	if tree.Content[0].Kind == yaml.MappingNode {
		r.object(file, data, at)
	}
	return 0, nil
}

var yamlLine = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:line (\d+): )?`)

// located is a parser's error without its own line, and that line in the file.
func located(err error, before int) (int, error) {
	found := yamlLine.FindStringSubmatch(err.Error())
	if found == nil {
		return before + 1, err
	}
	line, _ := strconv.Atoi(found[1])
	return before + max(line, 1), errors.New("not YAML: " + err.Error()[len(found[0]):])
}

// head is what every object has.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name         string `json:"name"`
		GenerateName string `json:"generateName"`
		Namespace    string `json:"namespace"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// object reads an object, or those of a list. One whose head is not even that is none of ours.
func (r *reader) object(file string, data []byte, at position) {
	h := head{}
	if err := json.Unmarshal(data, &h); err != nil {
		return
	}
	if h.APIVersion == "v1" && h.Kind == "List" || h.Items != nil {
		_, items := child(at.node, "items")
		for i, item := range h.Items {
			if items == nil || i >= len(items.Content) {
				return
			}
			r.object(file, item, position{items.Content[i], at.before})
		}
		return
	}
	gv, err := schema.ParseGroupVersion(h.APIVersion)
	if err != nil {
		return
	}
	o := &Object{GroupVersionKind: gv.WithKind(h.Kind), Namespace: h.Metadata.Namespace, Name: h.Metadata.Name, File: file, at: at}
	if o.Name == "" {
		o.Name = h.Metadata.GenerateName
	}
	r.take(o, data)
}
