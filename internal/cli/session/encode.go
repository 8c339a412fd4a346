package session

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

// Encode writes a value of a verb's own to the standard output, as "json" or "yaml"; the error says which formats there are.
func (s *Session) Encode(format Output, value any) error {
	var text []byte
	var err error
	switch format {
	case "json":
		text, err = json.MarshalIndent(value, "", "    ")
		text = append(text, '\n')
	case "yaml":
		text, err = yaml.Marshal(value)
	default:
		return fmt.Errorf("-o %s: it must be table, json or yaml", format)
	}
	if err != nil {
		return err
	}
	_, err = s.Out.Write(text)
	return err
}
