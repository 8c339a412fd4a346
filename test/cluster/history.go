package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Change is a change of a key in etcd.
type Change struct {
	Key      string
	Value    []byte // nil: the key was deleted
	Revision int64
}

// etcdKV is a key as etcd's JSON has it.
type etcdKV struct {
	Key      []byte `json:"key"`
	Value    []byte `json:"value"`
	Revision int64  `json:"mod_revision,string"`
}

// EtcdRevision is etcd's revision now.
func (c *Cluster) EtcdRevision(ctx context.Context) (int64, error) {
	resp, err := c.askEtcd(ctx, c.etcdClient, "/v3/kv/range", map[string]any{"key": []byte("/registry/"), "count_only": true})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Header struct {
			Revision int64 `json:"revision,string"`
		} `json:"header"`
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.Header.Revision, err
}

// WatchEtcd shows every change that the API server makes in etcd from a revision on, in order and without a gap, until ctx
// is done or etcd ends. Who goes on from the revision after the last one shown has missed nothing, unless the API server
// has had etcd forget it, as it does after five minutes. It asks etcd itself, by no one's way.
func (c *Cluster) WatchEtcd(ctx context.Context, from int64, show func(Change)) error {
	patient := &http.Client{Transport: c.etcdClient.Transport} // a watch goes on for longer than a health check
	resp, err := c.askEtcd(ctx, patient, "/v3/watch", map[string]any{"create_request": map[string]any{
		"key": []byte("/registry/"), "range_end": []byte("/registry0"), "start_revision": fmt.Sprint(from),
	}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for answers := json.NewDecoder(resp.Body); ; {
		var answer struct {
			Error  json.RawMessage `json:"error"`
			Result struct {
				CompactRevision string `json:"compact_revision"`
				Canceled        bool   `json:"canceled"`
				CancelReason    string `json:"cancel_reason"`
				Events          []struct {
					Type string `json:"type"`
					KV   etcdKV `json:"kv"`
				} `json:"events"`
			} `json:"result"`
		}
		switch err := answers.Decode(&answer); {
		case errors.Is(err, io.EOF):
			return errors.New("etcd has ended the watch")
		case err != nil:
			return err
		case answer.Error != nil:
			return fmt.Errorf("etcd: %s", answer.Error)
		case answer.Result.Canceled:
			return fmt.Errorf("etcd has ended the watch: %s, compacted up to %s", answer.Result.CancelReason, answer.Result.CompactRevision)
		}
		for _, e := range answer.Result.Events {
			change := Change{Key: string(e.KV.Key), Value: e.KV.Value, Revision: e.KV.Revision}
			if e.Type == "DELETE" {
				change.Value = nil
			}
			show(change)
		}
	}
}

// askEtcd asks by the JSON gateway. The caller closes the answer's body.
func (c *Cluster) askEtcd(ctx context.Context, client *http.Client, path string, question any) (*http.Response, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.etcdURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask etcd: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		said, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("etcd answers %s: %s", resp.Status, said)
	}
	return resp, nil
}
