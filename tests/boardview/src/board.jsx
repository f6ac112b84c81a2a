// A board's head, its rows, and where each panel stands. A likeness: this part of Grafana is not
// in its packages.
import { Icon, useTheme2 } from '@grafana/ui';
import React from 'react';
import { Panel } from './panel.jsx';
import { annotations } from './prometheus.js';

const MARGIN = 16, GAP = 8, CELL = 30, COLUMNS = 24, UNIT = CELL + GAP;

// What is drawn, in the order of its place; an opened row moves what is below it.
function placed(panels, expand) {
  const all = [];
  let shift = 0;
  for (const panel of panels) {
    all.push({ panel, y: panel.gridPos.y + shift });
    if (panel.type !== 'row' || !panel.collapsed || !expand) { continue; }
    const first = Math.min(...panel.panels.map(({ gridPos }) => gridPos.y));
    const last = Math.max(...panel.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    const start = panel.gridPos.y + 1 + shift;
    all.push(...panel.panels.map((inner) => ({ panel: inner, y: inner.gridPos.y - first + start })));
    shift += last - first;
  }
  return all;
}

// What is chosen: what the address says, else all of it.
function chosen(board, view) {
  const values = { datasource: 'prometheus' };
  for (const { name, allValue } of board.templating.list) {
    values[name] ??= view[`var-${name}`] ?? (allValue || '.*');
  }
  return values;
}

function Row({ panel, top, expand }) {
  const theme = useTheme2();
  const closed = panel.collapsed && !expand;
  return <div data-row={panel.title} style={{ position: 'absolute', left: 0, top, height: CELL,
    display: 'flex', gap: 8, alignItems: 'center', fontSize: theme.typography.h5.fontSize, fontWeight: 500 }}>
    <Icon name={closed ? 'angle-right' : 'angle-down'} />{panel.title}
    {closed && <span style={{ color: theme.colors.text.secondary, fontWeight: 400, fontSize: 12 }}>
      ({panel.panels.length} panels)</span>}
  </div>;
}

function Head({ board, values, view }) {
  const theme = useTheme2();
  const line = `1px solid ${theme.components.input.borderColor}`;
  const box = { display: 'inline-flex', border: line, borderRadius: 2, height: 32, gap: 6,
    alignItems: 'center', padding: '0 8px', fontSize: 12, color: theme.colors.text.primary,
    background: theme.components.input.background };
  const row = { display: 'flex', flexWrap: 'wrap', gap: 8, marginBottom: 12 };
  return <>
    <div style={{ ...row, alignItems: 'center' }}>
      <div style={{ fontSize: 18, fontWeight: 500, flex: 1 }}>{board.title}</div>
      {board.links.map(({ title }) => <span key={title} style={box}>
        <Icon name="apps" size="sm" />{title}</span>)}
      <span style={box}><Icon name="clock-nine" size="sm" />Last {view.shown ?? view.span}</span>
    </div>
    <div style={row}>
      {board.templating.list.filter(({ hide }) => hide !== 2).map(({ name, label, type }) =>
        <span key={name} style={box}>
          <b style={{ fontWeight: 500 }}>{label || name}</b>
          <span style={{ paddingLeft: 8, borderLeft: line }}>
            {type === 'datasource' ? 'Prometheus' : values[name] === '.*' ? 'All' : values[name]}
          </span></span>)}
    </div>
  </>;
}

// What happened, of the marks that a reader has not switched off.
function useMarks(board, values, view) {
  const [marks, setMarks] = React.useState(view.marks === '0' ? [] : undefined);
  React.useEffect(() => {
    if (view.marks === '0') { return; }
    Promise.all(board.annotations.list.filter(({ expr, enable }) => expr && enable)
      .map((definition) => annotations(definition, view, values)))
      .then((all) => setMarks(all.flat()), (error) => { console.error(error); setMarks([]); });
  }, []);
  return marks;
}

export function Board({ board, view }) {
  const theme = useTheme2();
  const values = chosen(board, view);
  const marks = useMarks(board, values, view);
  const width = innerWidth - 2 * MARGIN;
  const column = (width - (COLUMNS - 1) * GAP) / COLUMNS;
  const all = placed(board.panels, view.expand);
  const bottom = Math.max(...all.map(({ panel, y }) => y + panel.gridPos.h));
  return <div id="board" style={{ padding: '12px 16px 16px', background: theme.colors.background.canvas }}>
    <Head board={board} values={values} view={view} />
    <div style={{ position: 'relative', height: bottom * UNIT }}>
      {all.map(({ panel, y }) => panel.type === 'row'
        ? <Row key={panel.id} panel={panel} top={y * UNIT} expand={view.expand} />
        : <Panel key={panel.id} panel={panel} values={values} marks={marks} view={view} place={{
          left: panel.gridPos.x * (column + GAP), top: y * UNIT,
          width: column * panel.gridPos.w + GAP * (panel.gridPos.w - 1),
          height: CELL * panel.gridPos.h + GAP * (panel.gridPos.h - 1) }} />)}
    </div>
  </div>;
}
