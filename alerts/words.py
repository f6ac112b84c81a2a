"""Whom and what alerts are about, as every text says it: one phrase for each kind of subject.

Each is a part of a Prometheus template and goes into the middle of a sentence. A label that a
deployment does not set leaves no trace.
"""

from __future__ import annotations

_PLACE = ("{{ with $labels.cluster }}{{ . }}{{ if $labels.namespace }}/{{ end }}{{ end }}"
          "{{ $labels.namespace }}")
_IN_PLACE = f"{{{{ if or $labels.cluster $labels.namespace }}}} in {_PLACE}{{{{ end }}}}"
_IN_CLUSTER = "{{ with $labels.cluster }} in {{ . }}{{ end }}"

MODEL = f'{{{{ or $labels.model "the model without a name" }}}}{_IN_PLACE}'
# One replica: the pod where there is one, else the endpoint as the exporter calls it.
REPLICA = f"replica {{{{ or $labels.pod $labels.target }}}} of {MODEL}"
# Engines that do not report a model's name, by the pods that are one of another.
WORKLOAD = f"workload {{{{ $labels.workload }}}}{_IN_PLACE}"
# An application with the model that it calls.
CALLER = (f'{{{{ or $labels.service_name "an application without a name" }}}} to '
          f'{{{{ or $labels.model "a model without a name" }}}}{_IN_CLUSTER}')
APPLICATION = f'{{{{ or $labels.service_name "an application without a name" }}}}{_IN_CLUSTER}'
SERVICE = f'{{{{ or $labels.service_name "An application without a name" }}}}{_IN_CLUSTER}'
ENGINE = f"{{{{ $labels.engine }}}}{_IN_PLACE}"
NODE = f'{{{{ or $labels.node "a node" }}}}{_IN_CLUSTER}'
_ON_NODE = "{{ with $labels.node }} on {{ . }}{{ end }}" + _IN_CLUSTER
GPU = f"GPU {{{{ $labels.uuid }}}}{_ON_NODE}"
GPU_AT_INDEX = f"GPU {{{{ or $labels.uuid $labels.gpu }}}}{_ON_NODE}"  # its UUID may be unknown
EXPORTER = f"{{{{ or $labels.pod $labels.instance }}}}{_IN_PLACE}"
CLUSTER = "{{ with $labels.cluster }}{{ . }}{{ else }}the fleet{{ end }}"
MODEL_OF_CLUSTER = f"{{{{ $labels.model }}}}{_IN_CLUSTER}"  # money knows no namespace
