// What a reader sees of each panel, measured on the page; what of it is wrong is judged elsewhere.
const OPAQUE = 100, NEAR = 40; // of a pixel's alpha, and of a colour's distance

const texts = (panel, selector) => panel.querySelector(selector)?.innerText ?? null;

function coloured(icon) {
  const { backgroundImage, backgroundColor } = getComputedStyle(icon);
  const rgb = /rgba?\((\d+), (\d+), (\d+)/.exec(backgroundImage === 'none' ? backgroundColor : backgroundImage);
  return rgb.slice(1, 4).map(Number).join();
}

// How many colours its legend has, and how many of them are anywhere on its canvas.
function lines(panel) {
  const canvas = panel.querySelector('.uplot canvas');
  if (!canvas) { return null; }
  const colours = [...new Set([...panel.querySelectorAll('[data-testid="series-icon"]')].map(coloured))]
    .map((rgb) => rgb.split(',').map(Number));
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const drawn = new Set();
  for (let i = 0; i < data.length && drawn.size < colours.length; i += 4) {
    if (data[i + 3] < OPAQUE) { continue; }
    colours.forEach(([r, g, b], index) => {
      const far = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
      if (far < NEAR) { drawn.add(index); }
    });
  }
  return { legend: colours.length, drawn: drawn.size };
}

// How many pixels of a legend one would have to scroll to.
function legendCut(panel) {
  const legend = panel.querySelector('[data-testid$="viz-layout-legend"]');
  const scrolled = [...legend?.querySelectorAll('*') ?? []]
    .filter((part) => ['auto', 'scroll'].includes(getComputedStyle(part).overflowY))
    .flatMap((part) => [part.scrollHeight - part.clientHeight, part.scrollWidth - part.clientWidth]);
  return Math.max(0, ...scrolled);
}

function tableWidth(panel) {
  const grid = panel.querySelector('[role=grid]');
  return grid && { needed: grid.scrollWidth, given: grid.clientWidth };
}

// Texts that reach beyond what they stand in, on whichever side.
function cut(panel) {
  const beyond = [];
  for (const place of panel.querySelectorAll('h2, [role=gridcell], [role=columnheader], td')) {
    const box = place.getBoundingClientRect();
    const walk = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const range = document.createRange();
      range.selectNodeContents(walk.currentNode);
      const text = range.getBoundingClientRect();
      if (text.width && (text.left < box.left - 1 || text.right > box.right + 1
          || text.top < box.top - 1 || text.bottom > box.bottom + 1)) {
        beyond.push(walk.currentNode.data.trim());
      }
    }
  }
  return beyond.filter(Boolean);
}

// The least size of a stat's letters.
const letters = (panel) => Math.min(...[...panel.querySelectorAll('span')]
  .filter((part) => part.innerText && !part.children.length)
  .map((part) => parseFloat(getComputedStyle(part).fontSize)));

export const facts = () => [...document.querySelectorAll('[data-panel]')].map((panel) => ({
  title: panel.dataset.panel, kind: panel.dataset.kind, state: panel.dataset.state,
  error: panel.dataset.error || texts(panel, '[data-error=""]'),
  unknown: panel.dataset.unknown.split(' ').filter(Boolean),
  empty: texts(panel, '[data-empty]'), lines: lines(panel), legendCut: legendCut(panel),
  table: tableWidth(panel), cut: [...new Set(cut(panel))], letters: letters(panel),
  text: panel.innerText.replace(/\s+/g, ' ').slice(0, 300),
}));
