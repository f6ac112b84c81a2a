// One panel: it asks, turns the answer as its options say, and is drawn by its kind.
import {
  applyFieldOverrides, cacheFieldDisplayNames, LoadingState, transformDataFrame,
} from '@grafana/data';
import { PanelChrome, useTheme2 } from '@grafana/ui';
import React from 'react';
import { lastValueFrom } from 'rxjs';
import { KINDS } from './kinds.jsx';
import { frames, substitute } from './prometheus.js';
import { registry } from './registry.js';

const PADDING = 8;

class Guard extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  render() {
    return this.state.error ? <div data-error="">{String(this.state.error)}</div> : this.props.children;
  }
}

async function answered(panel, values, width, view, theme) {
  const raw = await frames(panel, view, values, width);
  const data = await lastValueFrom(transformDataFrame(structuredClone(panel.transformations ?? []), raw));
  const { defaults, overrides } = structuredClone(panel.fieldConfig);
  if (panel.type === 'table') { defaults.custom = { cellOptions: { type: 'auto' }, ...defaults.custom }; }
  const ready = applyFieldOverrides({
    data, fieldConfig: { defaults, overrides }, theme, timeZone: 'utc',
    fieldConfigRegistry: registry, replaceVariables: (text) => substitute(text, values) });
  cacheFieldDisplayNames(ready);
  return ready;
}

// Options that nothing here, and perhaps nothing in Grafana, knows: they would be ignored.
function unknownOptions({ fieldConfig }) {
  const ids = fieldConfig.overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  return [...new Set(ids)].filter((id) => !registry.getIfExists(id));
}

export function Panel({ panel, values, marks, view, place }) {
  const theme = useTheme2();
  const [answer, setAnswer] = React.useState({});
  React.useEffect(() => {
    answered(panel, values, place.width, view, theme).then(
      (ready) => setAnswer({ frames: ready }),
      (error) => setAnswer({ error: String(error) }));
  }, []);
  const Kind = KINDS[panel.type];
  const state = answer.error ? 'error' : answer.frames && marks ? 'done' : 'loading';
  return <div data-panel={panel.title} data-kind={panel.type} data-state={state}
    data-error={answer.error} data-unknown={unknownOptions(panel).join(' ')}
    style={{ position: 'absolute', ...place }}>
    <PanelChrome title={panel.title} description={panel.description} width={place.width}
      height={place.height} padding="none" displayMode={panel.transparent ? 'transparent' : 'default'}
      loadingState={answer.error ? LoadingState.Error : LoadingState.Done} statusMessage={answer.error}>
      {(width, height) => <Guard>{state === 'done' && (Kind
        ? <div style={{ padding: PADDING }}>
          <Kind panel={panel} frames={answer.frames} range={view.range} marks={marks}
            width={width - 2 * PADDING} height={height - 2 * PADDING} /></div>
        : <div data-error="">no panel of the kind {panel.type} is known</div>)}</Guard>}
    </PanelChrome>
  </div>;
}
