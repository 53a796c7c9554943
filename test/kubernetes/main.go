// Renders a kustomization and decodes every object with the types of Kubernetes, unknown and repeated fields refused.
//
//	kubernetes FOLDER [FILE…]
//
// prints the objects of FOLDER as a JSON array, and checks those of each FILE too. Pods must pass the "restricted"
// standard: https://kubernetes.io/docs/concepts/security/pod-security-standards/
package main

import (
	"encoding/json"
	"fmt"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/kio"
)

var scheme = runtime.NewScheme()

func main() {
	objects, err := check(os.Args[1], os.Args[2:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(objects)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(folder string, files []string) ([]runtime.Object, error) {
	kinds := runtime.NewSchemeBuilder(corev1.AddToScheme, appsv1.AddToScheme, networkingv1.AddToScheme,
		policyv1.AddToScheme, monitoringv1.AddToScheme, monitoringv1alpha1.AddToScheme)
	if err := kinds.AddToScheme(scheme); err != nil {
		return nil, err
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	objects, err := decodeAll(rendered)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if err := checkFile(file); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return objects, nil
}

func decodeAll(rendered resmap.ResMap) ([]runtime.Object, error) {
	objects := []runtime.Object{}
	for _, resource := range rendered.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		object, err := decode(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", resource.CurId(), err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func checkFile(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents, err := kio.FromBytes(text)
	if err != nil {
		return err
	}
	for _, document := range documents {
		if _, err := decode([]byte(document.MustString())); err != nil {
			return err
		}
	}
	return nil
}

func decode(text []byte) (runtime.Object, error) {
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	object, _, err := codecs.UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		return nil, err
	}
	switch workload := object.(type) {
	case *appsv1.Deployment:
		err = checkPod(&workload.Spec.Template)
	case *appsv1.StatefulSet:
		err = checkPod(&workload.Spec.Template)
	}
	return object, err
}

func checkPod(pod *corev1.PodTemplateSpec) error {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			return fmt.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
	return nil
}
