package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// position is where an object stands in its file.
type position struct {
	node *yaml.Node
	// before is how many lines of the file are before the document that node is of.
	before int
}

// lineOf is the line of a field, written as field.Path prints it; of the nearest parent where it is not there.
func (p position) lineOf(field string) int {
	if p.node == nil {
		return p.before + 1
	}
	line, node := p.node.Line, p.node
	for _, step := range steps(field) {
		key, value := child(node, step)
		if value == nil {
			break
		}
		node, line = value, value.Line
		if key != nil {
			line = key.Line
		}
	}
	return p.before + line
}

// child is what a step leads to, and the key that stands before it; nil where it leads nowhere.
func child(node *yaml.Node, step string) (key, value *yaml.Node) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return nil, node.Content[i]
		}
	}
	return nil, nil
}

// steps cuts a path into keys and indexes: "a.b[0].c[d.e/f]" is a, b, 0, c, d.e/f.
func steps(path string) []string {
	var all []string
	for path != "" {
		if inside, ok := strings.CutPrefix(path, "["); ok {
			step, rest, _ := strings.Cut(inside, "]")
			all, path = append(all, step), strings.TrimPrefix(rest, ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			return append(all, path)
		}
		all, path = append(all, path[:end]), strings.TrimPrefix(path[end:], ".")
	}
	return all
}

// having are the fields that a path without indexes means ("spec.ports.nodePort") and whose value is as asked for, each with
// its indexes: "spec.ports[1].nodePort".
func (p position) having(path string, value func(*yaml.Node) bool) []string {
	if p.node == nil {
		return nil
	}
	var found []string
	var walk func(node *yaml.Node, at string, rest []string)
	walk = func(node *yaml.Node, at string, rest []string) {
		switch {
		case node.Kind == yaml.SequenceNode && len(rest) > 0:
			for i, item := range node.Content {
				walk(item, at+"["+strconv.Itoa(i)+"]", rest)
			}
		case len(rest) > 0:
			if _, value := child(node, rest[0]); value != nil {
				walk(value, strings.TrimPrefix(at+"."+rest[0], "."), rest[1:])
			}
		case value(node):
			found = append(found, at)
		}
	}
	walk(p.node, "", steps(path))
	return found
}
