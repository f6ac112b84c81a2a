// Prometheus' answers as the data frames that Grafana's data source makes of them.
import { createDataFrame, FieldType } from '@grafana/data';

const number = (text) => ({ '+Inf': Infinity, '-Inf': -Infinity })[text] ?? Number(text);

const pairs = (metric) => Object.entries(metric).filter(([name]) => name !== '__name__')
  .map(([name, value]) => `${name}="${value}"`).join(', ');

const legend = (format, metric) => format
  ? format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name) => metric[name] ?? '')
  : `${metric.__name__ ?? ''}{${pairs(metric)}}`;

const frame = (target, metric, points, interval) => createDataFrame({ refId: target.refId, fields: [
  { name: 'Time', type: FieldType.time, config: { interval }, values: points.map(([time]) => 1000 * time) },
  { name: 'Value', type: FieldType.number, labels: metric, values: points.map(([, value]) => number(value)),
    config: { displayNameFromDS: legend(target.legendFormat, metric) } }] });

export const pointFrame = (target, { metric, value }) => frame(target, metric, [value]);

export const lineFrame = (target, { metric, values }, interval) => frame(target, metric, values, interval);

export function tableFrame(target, series, several) {
  const names = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return createDataFrame({ refId: target.refId, fields: [
    { name: 'Time', type: FieldType.time, values: series.map(({ value }) => 1000 * value[0]) },
    ...names.map((name) => ({ name, type: FieldType.string, config: { filterable: true },
      values: series.map(({ metric }) => metric[name] ?? '') })),
    { name: several ? `Value #${target.refId}` : 'Value', type: FieldType.number,
      values: series.map(({ value }) => number(value[1])) }] });
}
