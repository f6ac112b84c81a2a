"""Shapes of Kubernetes and of Prometheus' operator, as far as the chart takes them."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.build.values.schema import (
    Schema,
    choice,
    integer,
    level,
    many,
    shared,
    switch,
    table,
    text,
    texts,
)

_QUANTITIES: Schema = {"anyOf": [{"type": "string"}, {"type": "number"}]}
_WORD: Schema = {"type": "string"}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution?"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution?"


def _expression(description: str, *operators: str) -> Schema:
    return level(description, {
        "key": text("Of the label or field."),
        "operator": choice("What must hold.", "In", "NotIn", "Exists", "DoesNotExist", *operators),
        "values?": many("Of all but Exists and DoesNotExist.", _WORD),
    })


def _wish(term: str, reference: Schema) -> Schema:
    return many("What is better.", level("A wish.", {
        "weight": integer("Of 100.", minimum=1, maximum=100), term: reference}))


def _probe(most_successes: Mapping[str, int]) -> Schema:
    return level("When the kubelet asks.", {
        "initialDelaySeconds?": integer("After the start.", minimum=0),
        "periodSeconds?": integer("Between two.", minimum=1),
        "timeoutSeconds?": integer("For an answer.", minimum=1),
        "failureThreshold?": integer("Failures in a row until it acts.", minimum=1),
        "successThreshold?": integer("Answers in a row until all is well.", minimum=1,
                                     **most_successes),
    })


SHAPES: Mapping[str, Schema] = {
    "resources": level("Resources of a container.", {
        "requests?": table("What is set aside.", _QUANTITIES),
        "limits?": table("The most it gets.", _QUANTITIES),
    }),
    "toleration": level("A taint that does not keep the pod away.", {
        "key?": text("Of the taint."),
        "operator?": choice("Equal if not given.", "Exists", "Equal"),
        "value?": text("Of the taint."),
        "effect?": choice("All if not given.", "NoSchedule", "PreferNoSchedule", "NoExecute"),
        "tolerationSeconds?": integer("How long NoExecute is borne."),
    }),
    "expression": _expression("A requirement."),
    "selector": level("By labels.", {
        "matchLabels?": texts("Labels that must be so."),
        "matchExpressions?": many("Requirements.", shared("expression")),
    }),
    "nodeExpression": _expression("A requirement of nodes.", "Gt", "Lt"),
    "nodeTerm": level("Nodes, by all of these.", {
        "matchExpressions?": many("Of their labels.", shared("nodeExpression")),
        "matchFields?": many("Of their fields, such as metadata.name.", shared("nodeExpression")),
    }),
    "podTerm": level("Pods, and what counts as beside them.", {
        "labelSelector?": shared("selector"),
        "namespaces?": many("Whose pods; those of the pod's own if neither is given.", _WORD),
        "namespaceSelector?": shared("selector"),
        "topologyKey": text("The label in which the nodes must agree."),
        "matchLabelKeys?": many("Labels with the pod's own values.", _WORD),
        "mismatchLabelKeys?": many("Labels with other values.", _WORD),
    }),
    "podAffinity": level("By pods that are there.", {
        _REQUIRED: many("What must hold.", shared("podTerm")),
        _PREFERRED: _wish("podAffinityTerm", shared("podTerm")),
    }),
    "affinity": level("Where its pods run, for what a nodeSelector cannot say.", {
        "nodeAffinity?": level("By labels and fields of nodes.", {
            _REQUIRED: level("What must hold.", {
                "nodeSelectorTerms": many("One of these.", shared("nodeTerm")),
            }),
            _PREFERRED: _wish("preference", shared("nodeTerm")),
        }),
        "podAffinity?": shared("podAffinity", "Beside these pods."),
        "podAntiAffinity?": shared("podAffinity", "Away from these pods."),
    }),
    "liveness": _probe({"maximum": 1}),
    "readiness": _probe({}),
    "updateStrategy": level("How a workload's pods are replaced.", {
        "type": choice("All at once or by hand.", "RollingUpdate", "OnDelete"),
        "rollingUpdate?": level("Of RollingUpdate.", {
            "maxUnavailable?": {"type": ["integer", "string"], "description": "Nodes at a time."},
            "maxSurge?": {"type": ["integer", "string"],
                          "description": "Nodes that may have two at a time."},
        }),
    }),
    "hostVolume": level("A file or folder of the host.", {
        "name": text("By which it is mounted."),
        "hostPath": level("Where it is.", {
            "path": text("On the host.", "^/"),
            "type?": choice("What must be there.", "", "Directory", "File", "CharDevice"),
        }),
    }),
    "mount": level("Where a volume is in the container, read-only.", {
        "name": text("Of the volume."),
        "mountPath": text("In the container.", "^/"),
    }),
    "variableKey": level("A key of a Secret or ConfigMap.", {
        "name": text("Of it."),
        "key": text("In it."),
        "optional?": switch("Whether it may be missing."),
    }),
    "variable": level("An environment variable.", {
        "name": text("Of the variable.", minLength=1),
        "value?": text("Its text."),
        "valueFrom?": level("Where it is.", {
            "secretKeyRef?": shared("variableKey"),
            "configMapKeyRef?": shared("variableKey"),
            "fieldRef?": level("A field of the pod.", {
                "fieldPath": text("Such as spec.nodeName."),
                "apiVersion?": text("v1 if not given."),
            }),
            "resourceFieldRef?": level("What the container gets.", {
                "resource": text("Such as limits.memory."),
                "containerName?": text("Its own if not given."),
                "divisor?": text("The unit."),
            }),
        }),
    }),
    "seLinuxOptions": level("Labels of the container's process.", {
        "user?": text("User."),
        "role?": text("Role."),
        "type?": text("Type."),
        "level?": text("Level."),
    }),
    "pullSecret": level("A Secret in the namespace.", {"name": text("Of the Secret.")}),
    "peer": level("Who may reach the port.", {
        "namespaceSelector?": shared("selector"),
        "podSelector?": shared("selector"),
        "ipBlock?": level("Addresses.", {
            "cidr": text("As 10.0.0.0/8."),
            "except?": many("Parts of it that may not.", _WORD),
        }),
    }),
    "key": level("A key of a Secret in the namespace.", {
        "name": text("Of the Secret."),
        "key": text("In it."),
    }),
    "source": level("A key of a Secret or ConfigMap.", {
        "secret?": shared("key"),
        "configMap?": shared("key"),
    }),
    "relabeling": level("A step of the operator's endpoints.", {
        "action?": text("replace if not given."),
        "sourceLabels?": many("Whose values are taken.", _WORD),
        "separator?": text("Between those values."),
        "regex?": text("What they must match."),
        "modulus?": integer("Of hashmod.", minimum=1),
        "targetLabel?": text("The label that is set."),
        "replacement?": text("Its value."),
    }),
    "basicAuth": level("Name and password.", {
        "username": shared("key"),
        "password": shared("key"),
    }),
    "authorization": level("A token that a proxy in front asks for.", {
        "type?": text("Bearer if not given."),
        "credentials": shared("key"),
    }),
    "tlsConfig": level("Certificates.", {
        "ca?": shared("source"),
        "cert?": shared("source"),
        "keySecret?": shared("key"),
        "serverName?": text("The name in the certificate."),
        "insecureSkipVerify?": switch("Take any certificate."),
    }),
}
