// Annotations, drawn as Grafana draws them: a dashed line, and a tenth of its colour to its end.
import { useTheme2 } from '@grafana/ui';
import React from 'react';

function drawn({ ctx, bbox, valToPos }, marks, theme) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const { time, timeEnd, color } of marks) {
    const x = valToPos(time, 'x', true);
    ctx.fillStyle = ctx.strokeStyle = theme.visualization.getColorByName(color);
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.setLineDash([5, 5]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (!timeEnd) { continue; }
    ctx.globalAlpha = 0.1;
    ctx.fillRect(x, bbox.top, valToPos(timeEnd, 'x', true) - x, bbox.height);
    ctx.globalAlpha = 1;
  }
  ctx.restore();
}

export function Marks({ config, marks }) {
  const theme = useTheme2();
  React.useLayoutEffect(() => { config.addHook('draw', (plot) => drawn(plot, marks, theme)); }, [config]);
  return null;
}
