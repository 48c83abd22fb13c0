// Command schema holds manifests against the types of the Kubernetes API: an
// unknown field, or a value of another type, is an error, as is what the API
// server refuses beyond that in a DaemonSet of ours. It prints the text that a
// ConfigMap holds under a key, to have it checked in turn.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	key := flag.String("print", "", "print what the ConfigMaps hold under this `KEY`")
	flag.Parse()
	if err := check(os.Stdin, os.Stdout, *key); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

// check reads YAML documents.
func check(r io.Reader, out io.Writer, key string) error {
	docs := utilyaml.NewYAMLReader(bufio.NewReader(r))
	for n := 1; ; n++ {
		text, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = object(text, out, key)
		}
		if err != nil {
			return fmt.Errorf("document %d: %w", n, err)
		}
	}
}

func object(text []byte, out io.Writer, key string) error {
	var t metav1.TypeMeta
	if err := yaml.Unmarshal(text, &t); err != nil {
		return err
	}
	switch t.APIVersion + " " + t.Kind {
	case "v1 Namespace":
		return decode(text, &corev1.Namespace{})
	case "v1 ConfigMap":
		var m corev1.ConfigMap
		if err := decode(text, &m); err != nil {
			return err
		}
		if key != "" {
			fmt.Fprint(out, m.Data[key])
		}
		return nil
	case "apps/v1 DaemonSet":
		var d appsv1.DaemonSet
		if err := decode(text, &d); err != nil {
			return err
		}
		return daemonSet(d)
	}
	return fmt.Errorf("%s %s is not known here", t.APIVersion, t.Kind)
}

// decode is as strict as the API server: names of fields have one spelling, and
// stand once.
func decode(text []byte, into any) error {
	object, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	mistakes, err := json.UnmarshalStrict(object, into)
	return errors.Join(append(mistakes, err)...)
}

// daemonSet finds what the types alone allow.
func daemonSet(d appsv1.DaemonSet) error {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return err
	}
	if selector.Empty() || !selector.Matches(labels.Set(d.Spec.Template.Labels)) {
		return fmt.Errorf("the selector %q does not select the template's labels", selector)
	}
	pod := d.Spec.Template.Spec
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range pod.Containers {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				return fmt.Errorf("container %s mounts %q, and there is no such volume", c.Name, m.Name)
			}
		}
		for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			if p != nil && (p.Exec == nil) == (p.HTTPGet == nil) {
				return fmt.Errorf("a probe of container %s has not one handler", c.Name)
			}
		}
	}
	return nil
}
