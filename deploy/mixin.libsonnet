// Rules, alerts and boards for who keeps monitoring in jsonnet. It reads what `make bundle` wrote:
// there is no second description of it here. Needs jsonnet 0.18. For example:
//
//   (import 'inferometer/deploy/mixin.libsonnet') + {
//     _config+:: { inferometer+: {
//       runbook_url: 'https://books.example/inferometer',
//       alert_labels: { tier: 'gold' },
//       alerts: { LLMRequestsSlow: { 'for': '30m' }, Watchdog: null },
//     } },
//   }

local recording = std.parseYaml(importstr 'generated/prometheus/recording.rules.yml');
local alerts = std.parseYaml(importstr 'generated/prometheus/alerts.rules.yml');

local names = std.set([rule.alert for group in alerts.groups for rule in group.rules]);

// From the mark on the address is ours; what stands before it is where the reader keeps it.
local moved(address, mark, base) =
  if base == null then address else base + mark + std.reverse(std.split(address, mark))[0];

{
  // A name of its own within, as `_config` is shared by all mixins of a sum.
  _config+:: {
    inferometer+: {
      // Where people read runbook.md and reach Grafana; null: as the bundle was built.
      runbook_url: null,
      grafana_url: null,
      // On every alert, beside severity, subject and team.
      alert_labels: {},
      // What to change of alerts, by name: a merge patch of the rule, null for no such alert.
      alerts: {},
    },
  },

  local config = $._config.inferometer,
  local strangers = std.setDiff(std.objectFields(config.alerts), names),

  local altered(rule) = std.mergePatch(rule {
    labels+: config.alert_labels,
    annotations+: {
      runbook_url: moved(super.runbook_url, '/runbook.md#', config.runbook_url),
      dashboard_url: moved(super.dashboard_url, '/d/', config.grafana_url),
    },
  }, std.get(config.alerts, rule.alert, {})),

  prometheusRules+:: { groups+: recording.groups },

  prometheusAlerts+:: {
    assert strangers == [] : 'no such alert: ' + std.join(', ', strangers),
    groups+: [
      group {
        rules: [altered(rule) for rule in super.rules if std.get(config.alerts, rule.alert, {}) != null],
      }
      for group in alerts.groups
    ],
  },

  grafanaDashboardFolder:: 'Inferometer',
  grafanaDashboards+:: {
    'inferometer-cost.json': import 'generated/dashboards/inferometer-cost.json',
    'inferometer-exporter.json': import 'generated/dashboards/inferometer-exporter.json',
    'inferometer-feedback.json': import 'generated/dashboards/inferometer-feedback.json',
    'inferometer-fleet.json': import 'generated/dashboards/inferometer-fleet.json',
    'inferometer-gpu.json': import 'generated/dashboards/inferometer-gpu.json',
    'inferometer-latency.json': import 'generated/dashboards/inferometer-latency.json',
    'inferometer-quality.json': import 'generated/dashboards/inferometer-quality.json',
    'inferometer-rag.json': import 'generated/dashboards/inferometer-rag.json',
    'inferometer-requests.json': import 'generated/dashboards/inferometer-requests.json',
    'inferometer-throughput.json': import 'generated/dashboards/inferometer-throughput.json',
  },
}
