// Asks Prometheus what Grafana's data source would ask; the page's server passes it on.
import { dateTime, rangeUtil } from '@grafana/data';
import { lineFrame, pointFrame, tableFrame } from './frames.js';

const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 };
const STEP = '15s'; // Grafana's least interval, where a panel has none

const seconds = (text) => {
  const [, count, unit] = /^([\d.]+)(ms|s|m|h|d)$/.exec(text);
  return Number(count) * SECONDS[unit];
};

export function timeRange(span, to) {
  return { from: dateTime(1000 * (to - seconds(span))), to: dateTime(1000 * to),
    raw: { from: `now-${span}`, to: 'now' } };
}

export const substitute = (text, values) => text.replace(
  /\$\{(\w+)(?::\w+)?\}|\$(\w+)/g, (all, braced, bare) => values[braced ?? bare] ?? all);

// In a world whose rules hurry, what a query says of time is as many times shorter.
const hastened = (query, faster) => faster === 1 ? query : query.replace(
  /(offset |\[)(\d+)([smhd])\b/g,
  (_, before, count, unit) => `${before}${Math.max(1, Math.round(count * SECONDS[unit] / faster))}s`);

async function result(path, parameters) {
  const response = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = await response.json();
  if (answer.status !== 'success') { throw new Error(`${answer.errorType}: ${answer.error}`); }
  return answer.data.result;
}

const over = (query, range, step) => result('query_range', { query, step, ...range });

// The times at which a series is there, as spans; one that is there once is a time.
function spans(times, step) {
  const all = [];
  for (const time of times) {
    const last = all.at(-1);
    if (last && time - last.end <= step * 1.5) { last.end = time; } else { all.push({ start: time, end: time }); }
  }
  return all.map(({ start, end }) => ({ time: 1000 * start, timeEnd: end > start ? 1000 * end : undefined }));
}

export async function annotations(definition, { range, faster }, values) {
  const step = Math.max(1, seconds(definition.step) / faster);
  const [start, end] = [range.from.valueOf() / 1000, range.to.valueOf() / 1000];
  const series = await over(hastened(substitute(definition.expr, values), faster), { start, end }, step);
  const color = definition.iconColor;
  return series.flatMap(({ values: points }) => definition.useValueForTime
    ? [...new Set(points.map(([, value]) => Number(value)))]
      .filter((time) => time >= 1000 * start && time <= 1000 * end).map((time) => ({ time, color }))
    : spans(points.map(([time]) => time), step).map((span) => ({ ...span, color })));
}

export async function frames(panel, { range, faster }, values, width) {
  const least = `${Math.max(1, seconds(panel.interval || STEP) / faster)}s`;
  const { intervalMs } = rangeUtil.calculateInterval(range, Math.max(width, 100), least);
  const step = intervalMs / 1000;
  const several = panel.targets.length > 1;
  const aligned = (time) => Math.floor(time / 1000 / step) * step;
  const all = await Promise.all(panel.targets.filter(({ hide }) => !hide).map(async (target) => {
    const query = hastened(substitute(target.expr, values), faster);
    if (target.instant) {
      const series = await result('query', { query, time: range.to.valueOf() / 1000 });
      return target.format === 'table' ? [tableFrame(target, series, several)]
        : series.map((point) => pointFrame(target, point));
    }
    const times = { start: aligned(range.from.valueOf()), end: aligned(range.to.valueOf()) };
    return (await over(query, times, step)).map((line) => lineFrame(target, line, intervalMs));
  }));
  return all.flat();
}
