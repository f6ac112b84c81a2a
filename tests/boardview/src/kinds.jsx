// The thin layer that Grafana's panel plugins are: these are not in its packages, but all that
// they draw with is.
import {
  DashboardCursorSync, EventBusSrv, FieldType, getDisplayValueAlignmentFactors,
  getFieldDisplayValues, VizOrientation,
} from '@grafana/data';
import { BigValue, PanelContextProvider, TimeSeries, useTheme2, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { Marks } from './marks.jsx';

const Nothing = ({ panel, width, height }) => (
  <div data-empty="" style={{ width, height, display: 'flex', alignItems: 'center',
    justifyContent: 'center', textAlign: 'center' }}>
    <p style={{ margin: 0 }}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</p>
  </div>);

function Stat({ panel, frames, width, height }) {
  const theme = useTheme2();
  const { options, fieldConfig } = panel;
  const auto = width > height ? VizOrientation.Vertical : VizOrientation.Horizontal;
  const values = () => getFieldDisplayValues({
    fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: (text) => text, theme,
    data: frames, sparkline: options.graphMode !== 'none', timeZone: 'utc' });
  const figure = ({ value, width, height, count, alignmentFactors }) => <BigValue
    value={value.display} count={count} width={width} height={height} theme={theme}
    alignmentFactors={alignmentFactors} colorMode={options.colorMode} graphMode={options.graphMode}
    justifyMode={options.justifyMode} text={options.text} textMode={options.textMode}
    disableWideLayout={!options.wideLayout} />;
  return <VizRepeater width={width} height={height} source={frames} renderCounter={0} autoGrid
    itemSpacing={3} getValues={values} renderValue={figure}
    orientation={options.orientation && options.orientation !== 'auto' ? options.orientation : auto}
    getAlignmentFactors={(all) => getDisplayValueAlignmentFactors(all)} />;
}

// What is no number is a gap, as in Grafana's own panel.
const finite = (field) => field.type !== FieldType.number ? field
  : { ...field, values: field.values.map((value) => Number.isFinite(value) ? value : null) };

function Graph({ panel, frames, width, height, range, marks }) {
  const shown = frames.filter(({ fields }) => fields.some(({ type }) => type === FieldType.number))
    .map((frame) => ({ ...frame, fields: frame.fields.map(finite) }));
  if (!shown.length) { return <Nothing panel={panel} width={width} height={height} />; }
  const context = { eventBus: new EventBusSrv(), sync: () => DashboardCursorSync.Off, eventsScope: 'global' };
  return <PanelContextProvider value={context}>
    <TimeSeries frames={shown} width={width} height={height} timeRange={range} timeZone="utc"
      structureRev={1} legend={panel.options.legend} options={panel.options}>
      {(config) => <Marks config={config} marks={marks} />}
    </TimeSeries>
  </PanelContextProvider>;
}

function Rows({ panel, frames, width, height, range }) {
  const frame = frames[panel.options.frameIndex ?? 0];
  if (!frame?.fields.length || !frame.length) {
    return <Nothing panel={panel} width={width} height={height} />;
  }
  return <TableNG data={frame} width={width} height={height} sortBy={panel.options.sortBy}
    noHeader={!panel.options.showHeader} cellHeight={panel.options.cellHeight} timeRange={range}
    fieldConfig={panel.fieldConfig} structureRev={1} noValue={panel.fieldConfig.defaults.noValue}
    getActions={() => []} />;
}

export const KINDS = { stat: Stat, timeseries: Graph, table: Rows };
