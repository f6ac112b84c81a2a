// Which options a field may have, and which transformations there are. Without a registry every
// override is silently ignored. The processors are Grafana's; the list of names is ours.
import {
  booleanOverrideProcessor, dataLinksOverrideProcessor, displayNameOverrideProcessor,
  FieldConfigOptionsRegistry, identityOverrideProcessor, numberOverrideProcessor,
  standardTransformers, standardTransformersRegistry, stringOverrideProcessor,
  thresholdsOverrideProcessor, unitOverrideProcessor, valueMappingsOverrideProcessor,
} from '@grafana/data';

const STANDARD = {
  color: identityOverrideProcessor, displayName: displayNameOverrideProcessor,
  unit: unitOverrideProcessor, min: numberOverrideProcessor, max: numberOverrideProcessor,
  decimals: numberOverrideProcessor, noValue: stringOverrideProcessor,
  thresholds: thresholdsOverrideProcessor, mappings: valueMappingsOverrideProcessor,
  links: dataLinksOverrideProcessor, filterable: booleanOverrideProcessor,
  fieldMinMax: booleanOverrideProcessor,
};
const CUSTOM = [
  // of a graph's lines
  'drawStyle', 'lineInterpolation', 'lineWidth', 'lineStyle', 'lineColor', 'fillOpacity', 'fillColor',
  'gradientMode', 'barAlignment', 'barWidthFactor', 'barMaxWidth', 'showPoints', 'pointSize',
  'pointColor', 'spanNulls', 'insertNulls', 'stacking', 'hideFrom', 'transform', 'thresholdsStyle',
  'fillBelowTo', 'tooltip',
  // of its axes
  'axisPlacement', 'axisLabel', 'axisWidth', 'axisSoftMin', 'axisSoftMax', 'axisGridShow',
  'axisColorMode', 'axisCenteredZero', 'axisBorderShow', 'scaleDistribution',
  // of a table's columns
  'align', 'filterable', 'inspect', 'width', 'minWidth', 'hidden', 'cellOptions', 'wrapHeaderText',
  'wrapText',
];

const option = (id, path, process) => ({
  id, path, name: path, process, isCustom: id !== path, settings: {},
  shouldApply: () => true, override: () => null, editor: () => null });

export const registry = new FieldConfigOptionsRegistry(() => [
  ...Object.entries(STANDARD).map(([id, process]) => option(id, id, process)),
  ...CUSTOM.map((path) => option(`custom.${path}`, path, identityOverrideProcessor)),
]);

// Some are there twice, under an older name too.
const transformers = new Map(Object.values(standardTransformers).map((each) => [each.id, each]));
standardTransformersRegistry.setInit(() => [...transformers.values()].map((transformation) => ({
  id: transformation.id, name: transformation.name, transformation: () => transformation,
  editor: () => null })));
