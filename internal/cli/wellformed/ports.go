package wellformed

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var portsPath = specPath.Child("ports")

// portErrors judges entries by themselves, and holds each against those before it. A live Service may have the names that
// are left out.
func portErrors(ports []corev1.ServicePort, create bool) field.ErrorList {
	type served struct {
		protocol corev1.Protocol
		port     int32
	}
	var errs field.ErrorList
	names, serves := map[string]bool{}, map[served]bool{}
	for i, p := range ports {
		at := portsPath.Index(i)
		switch {
		case p.Name == "" && create && len(ports) > 1:
			errs = append(errs, field.Required(at.Child("name"), ""))
		case p.Name != "" && names[p.Name]:
			errs = append(errs, field.Duplicate(at.Child("name"), p.Name))
		}
		errs = append(errs, portError(at, p)...)
		if serves[served{p.Protocol, p.Port}] {
			errs = append(errs, field.Duplicate(at, corev1.ServicePort{Protocol: p.Protocol, Port: p.Port}))
		}
		names[p.Name], serves[served{p.Protocol, p.Port}] = true, true
	}
	return errs
}

// portError is what is wrong with an entry, whatever the others are.
func portError(at *field.Path, p corev1.ServicePort) field.ErrorList {
	var errs field.ErrorList
	if p.Name != "" {
		errs = invalid(at.Child("name"), p.Name, validation.IsDNS1123Label(p.Name))
	}
	errs = append(errs, number(at.Child("port"), p.Port)...)
	errs = append(errs, notAmong(at.Child("protocol"), p.Protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)...)
	if target := at.Child("targetPort"); p.TargetPort.Type == intstr.Int {
		errs = append(errs, number(target, p.TargetPort.IntVal)...)
	} else {
		errs = append(errs, invalid(target, p.TargetPort.StrVal, validation.IsValidPortName(p.TargetPort.StrVal))...)
	}
	if p.AppProtocol != nil {
		errs = append(errs, invalid(at.Child("appProtocol"), *p.AppProtocol, validation.IsQualifiedName(*p.AppProtocol))...)
	}
	return errs
}
