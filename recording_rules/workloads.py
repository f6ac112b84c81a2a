"""What a pod is one of: the workload that outlives it, by the names that Kubernetes gives to pods.

Engines that do not report a model's name are told apart by it.
"""

from inferometer import catalogue as c
from recording_rules.promql import SCOPE

LABEL = "workload"
# By the target as well: one exporter may read several engines, in its own pod or elsewhere.
WORKLOAD = (*SCOPE, LABEL, c.TARGET.name)

_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"  # what Kubernetes makes names of
_SET = f"-{_RANDOM}{{6,10}}"
# A Deployment's, a DaemonSet's and a StatefulSet's pods; the shortest stem leaves the most out.
_POD = f"(.+?)(?:{_SET}-{_RANDOM}{{5}}|-{_RANDOM}{{5}}|-[0-9]+)?"


def of_workload(series: str) -> str:
    """The series with its workload as a label; what is in no pod has its address instead."""
    address = f'label_replace({series}, "{LABEL}", "$1", "instance", "(.+)")'
    return f'label_replace({address}, "{LABEL}", "$1", "pod", "{_POD}")'
