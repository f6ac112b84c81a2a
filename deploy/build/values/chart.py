"""Every key of values.yaml. What is below a `config` is the exporter's configuration."""

from __future__ import annotations

from deploy.build.values.records import Records
from deploy.build.values.schema import (
    Schema,
    choice,
    integer,
    level,
    many,
    shared,
    switch,
    text,
    texts,
)
from deploy.build.values.shapes import SHAPES
from inferometer import config
from inferometer.bundle.folder import ORIGIN

_CONFIG = "Of inferometer.yml."
_URL = "^https?://[^ ]+$"
_DURATION = "[0-9]+(ms|s|m)"
# Left out: what other values say, files that nothing would mount, and what no pod reads.
_RECORDS = Records({config.CostSection: ("bill",),
                    config.GpuSection: ("enabled", "kubelet_socket"),
                    config.EngineTarget: ("bearer_token_file", "ca_file"),
                    config.IntakeSection: (
                        "listen", "grpc_listen", "config_file", "bearer_token_files"),
                    config.FeedbackSection: ("listen",),
                    config.LedgerSection: ("path", "key_file")})


def _port(about: str) -> Schema:
    return integer(about, minimum=1, maximum=65535)


# All charts of a parent have it, each with keys of its own.
_GLOBAL = level("Of a parent chart and all that it has.", {
    "imageRegistry?": text("In place of image.registry.") | {"type": ["string", "null"]},
    "imagePullSecrets?": many("Names of Secrets, or as imagePullSecrets has them.", {
        "type": ["string", "object"], "description": "One of them.",
        "additionalProperties": True}) | {"type": ["array", "null"]},
}) | {"additionalProperties": True}

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_OF_IMAGE = {
    "registry": text("Comes before the repository."),
    "repository": text("Registry and name, with neither tag nor digest.",
                       "^([^@ ]*/)?[^:@/ ]+$"),
    "tag": text("The chart's appVersion if empty; may end in @sha256:..."),
    "digest": text("Goes behind the tag.", "^(sha256:[0-9a-f]{64})?$"),
}
_IMAGE = level("The image of every role but the gateway.", {
    **_OF_IMAGE, "pullPolicy": choice("When it is pulled.", *_PULL_POLICIES)})

_SERVICE_ACCOUNT = level("The account of the node, fleet and gateway pods.", {
    "create": switch("Whether it is made here."),
    "name": text("Its name; empty: the release's."),
    "annotations": texts("Of the account."),
    "securityContextConstraints": text(
        "Those of OpenShift that the account may use; empty: none of its own."),
})

_WEB = level("How every role serves its page.", {
    "port": _port("Of all addresses of the pod."),
    "enableReload": _RECORDS.key(config.WebSection, "enable_reload"),
    "configSecret": text("An existing Secret with web.yml: TLS, client certificates, passwords."),
    "tls": switch("Whether web.yml has tls_server_config."),
})

_SERVICE_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
_SERVICE = level("The Services of node, fleet and gateway.", {
    "type": choice("How they are reached.", *_SERVICE_TYPES),
    "labels": texts("Of the Services."),
    "annotations": texts("Of the Services."),
})

_CONTAINER = {
    "extraEnv?": many("More environment variables.", shared("variable")),
    "resources?": shared("resources", "What the container gets."),
}
# Of node, fleet and gateway.
_ROLE = {
    "enabled": switch("Whether there is one."),
    "annotations?": texts("Of the workload."),
    "podLabels?": texts("Of its pods."),
    "podAnnotations?": texts("Of its pods."),
    "livenessProbe?": shared("liveness", "In place of the keys of all roles."),
    "readinessProbe?": shared("readiness", "In place of the keys of all roles."),
    "service?": level("In place of the keys of all Services.", {
        "type?": choice("How it is reached.", "", *_SERVICE_TYPES),
        "nodePort?": _port("Of NodePort and LoadBalancer."),
        "labels?": texts("Of the Service."),
        "annotations?": texts("Of the Service."),
    }),
    "nodeSelector?": texts("Labels that a node must have."),
    "affinity?": shared("affinity"),
    "tolerations?": many("Taints that do not keep it away.", shared("toleration")),
    "priorityClassName?": text("An existing PriorityClass."),
    **_CONTAINER,
}

_NODE = level("The DaemonSet on nodes with GPUs.", {
    **_ROLE,
    "config": level(_CONFIG, {
        "gpu": _RECORDS.section(config.GpuSection),
        "cost": _RECORDS.section(config.CostSection),
    }),
    "kubeletSocket": _RECORDS.key(
        config.GpuSection, "kubelet_socket",
        'The kubelet\'s PodResources socket, which takes hostPath and user 0; "" for neither.'),
    "runtimeClassName?": text('The RuntimeClass of NVIDIA\'s runtime; "" where it is the default.'),
    "visibleDevices": choice("How NVIDIA's runtime is asked for all GPUs.",
                             "env", "volume", "none"),
    "extraVolumes?": many("More that is mounted from the host.", shared("hostVolume")),
    "extraVolumeMounts?": many("Where they are in the container, read-only.", shared("mount")),
    "privileged?": switch("Whether the container may open all devices of its host."),
    "seLinuxOptions?": shared("seLinuxOptions"),
    "updateStrategy?": shared("updateStrategy"),
})

_FLEET = level("The one replica that speaks for all.", {
    **_ROLE,
    "config": level(_CONFIG, {"fleet": _RECORDS.section(config.FleetSection)}),
    "enableAlertLog": _RECORDS.key(config.WebSection, "enable_alert_log"),
})

_SIDECAR = level("The container beside an engine.", {
    "native": switch("Whether it is an init container that goes on; takes Kubernetes 1.29."),
    "model?": _RECORDS.key(config.EngineTarget, "model"),
    "config": level(_CONFIG, {"engines": _RECORDS.section(config.EnginesSection)}),
    "env?": many("Environment variables.", shared("variable")),
    "podLabels": texts("By which the PodMonitor finds pods that have one.", minProperties=1),
    "namespaces": many("In which it looks; all if empty.", {"type": "string"}),
    **_CONTAINER,
})

_GATEWAY = level("The one that takes telemetry of applications.", {
    **_ROLE,
    "replicas": integer("How many pods there are.", minimum=0),
    "image": level("The image of a gateway.", {
        **_OF_IMAGE, "pullPolicy": choice("When it is pulled.", "", *_PULL_POLICIES)}),
    "startupProbe?": shared("liveness", "Before the other probes."),
    "terminationGracePeriodSeconds": integer("From SIGTERM to its end.", minimum=1),
    "port": _port("Of OTLP over HTTP."),
    "grpcPort": integer("Of OTLP over gRPC; 0 for none.", minimum=0, maximum=65535),
    "feedbackPort": integer("Of people's votes; 0 for none.", minimum=0, maximum=65535),
    "senders": many("Who may send; empty: every pod.", shared("peer")),
    "configSecret": text("An existing Secret with web.yml for those who send."),
    "tls": switch("Whether that has tls_server_config."),
    "tokenSecret": text("An existing Secret with tokens that let in."),
    "tokenKeys": many("Keys of that Secret.", {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"},
                      minItems=1),
    "keySecret": text("An existing Secret with the key of users' hashes."),
    "dsnSecret": text("An existing Secret with the connection string of a database."),
    "clickhouseSecret": text("An existing Secret with the password of a ClickHouse."),
    "feedbackSecret": text("An existing Secret with who may vote."),
    "destinationsSecret": text("An existing Secret with keys and headers of destinations."),
    "persistence": level("The volume of its ledger.", {
        "size": text("How large it is.", "^[0-9]+(\\.[0-9]+)?([KMGTPE]i|[kMGTPE])?$"),
        "storageClass": text("Of which class; the cluster's default if empty."),
        "annotations?": texts("Of the claim that is made."),
        "existingClaim": text("A PersistentVolumeClaim in place of one that is made."),
    }),
    "config": level(_CONFIG, {
        "intake": _RECORDS.section(config.IntakeSection),
        "feedback?": _RECORDS.section(config.FeedbackSection),
        "ledger": _RECORDS.section(config.LedgerSection),
        "request_log?": _RECORDS.section(config.RequestLogSection),
        "destinations?": _RECORDS.key(config.Config, "destinations"),
        "content?": _RECORDS.section(config.ContentSection),
        "judge?": _RECORDS.section(config.JudgeSection),
        "prices?": _RECORDS.key(config.Config, "prices"),
    }),
})

_MONITORING = level("How Prometheus comes to the pages.", {
    "kind": choice("Who scrapes.", "operator", "annotations", "none"),
    "namespace": text("That of Prometheus; the release's if empty."),
    "labels": texts("On ServiceMonitor, PodMonitor and PrometheusRule."),
    "annotations?": texts("Of the monitors."),
    "interval": text("Between two scrapes.", f"^{_DURATION}$"),
    "scrapeTimeout?": text("A scrape may take; Prometheus' own if empty.", f"^({_DURATION})?$"),
    "relabelings": many("Of targets, after ours.", shared("relabeling")),
    "metricRelabelings": many("Of series, before they are stored.", shared("relabeling")),
    "endpoint": level("How Prometheus gets in.", {
        "basicAuth?": shared("basicAuth"),
        "authorization?": shared("authorization"),
        "tlsConfig?": shared("tlsConfig"),
    }),
})

_RULES = level("Recording rules and alerts.", {
    "enabled": switch("Whether they are installed."),
    "labels?": texts("Of the rules' objects."),
    "annotations?": texts("Of the rules' objects."),
    "additionalRuleLabels?": texts("Of every alert."),
    "additionalRuleAnnotations?": texts("Of every alert."),
    "runbookUrl": text("The folder in which runbook.md is read.", _URL),
    "grafanaUrl": text("Where Grafana is reached.", _URL),
})

_ALERTMANAGER_CONFIG = level("Routing for alerts of one namespace alone.", {
    "enabled": switch("Whether it is made."),
    "namespace": text("Where it is; the release's if empty."),
    "labels": texts("By which the Alertmanager selects it."),
    "annotations?": texts("Of it."),
    "secret": text("With pagerduty_routing_key and slack_api_url.", minLength=1),
    "slackChannel": text("Where pages and warnings go."),
    "financeChannel": text("Where alerts about money go."),
})

_DASHBOARDS = level("Grafana's boards.", {
    "enabled": switch("Whether they are installed."),
    "namespace?": text("Where they are; the release's if empty."),
    "labels": texts("By which Grafana's sidecar finds them."),
    "folderAnnotation": text("By which it knows the folder.", minLength=1),
    "folder": text("Of the boards in Grafana."),
    "annotations?": texts("More of them."),
    "operator": level("GrafanaDashboard resources.", {
        "enabled": switch("Whether they are made."),
        "instanceSelector": shared("selector", "Which Grafana gets them."),
    }),
})

_NETWORK_POLICY = level("Who may read the pages of node, fleet and gateway pods.", {
    "enabled": {"type": ["boolean", "string"], "enum": [True, False, "auto"],
                "description": "Whether nobody else may; auto: if monitoring.namespace is given."},
    "annotations?": texts("Of it."),
    "from": many("Who may; empty: pods of monitoring.namespace.", shared("peer")),
})

_VALUES = level("Values of the chart inferometer.", {
    "global?": _GLOBAL,
    "enabled?": switch("For a parent chart's condition; not read."),
    "nameOverride": text("In place of the chart's name."),
    "fullnameOverride": text("How names begin."),
    "namespaceOverride?": text("In place of the release's namespace."),
    "commonLabels?": texts("Of every object and of the pods."),
    "commonAnnotations?": texts("Of every object."),
    "image": _IMAGE,
    "imagePullSecrets": many("Secrets to pull it with.", shared("pullSecret")),
    "cluster": text("The label `cluster` of all that an operator scrapes.", minLength=1),
    "runAsUser?": integer("User and group of the containers; null leaves both to the platform.",
                        minimum=1) | {"type": ["integer", "null"]},
    "serviceAccount": _SERVICE_ACCOUNT,
    "web": _WEB,
    "podLabels?": texts("More labels of the node, fleet and gateway pods."),
    "podAnnotations?": texts("More annotations of the node, fleet and gateway pods."),
    "livenessProbe?": shared("liveness", "Of the node, fleet and gateway pods."),
    "readinessProbe?": shared("readiness", "Of the node, fleet and gateway pods."),
    "service": _SERVICE,
    "configMap": level("Of the ConfigMaps.", {"annotations": texts("Of the ConfigMaps.")}),
    "node": _NODE,
    "fleet": _FLEET,
    "sidecar": _SIDECAR,
    "gateway": _GATEWAY,
    "monitoring": _MONITORING,
    "rules": _RULES,
    "alertmanagerConfig": _ALERTMANAGER_CONFIG,
    "dashboards": _DASHBOARDS,
    "networkPolicy": _NETWORK_POLICY,
    "extraManifests?": many("More to install: objects, or texts of one, as templates.", {
        "type": ["object", "string"], "description": "Any object.", "additionalProperties": True}),
})


def document() -> Schema:
    """The schema of all values."""
    return {"$schema": "http://json-schema.org/draft-07/schema#", "$comment": ORIGIN,
            **_VALUES, "definitions": SHAPES}
