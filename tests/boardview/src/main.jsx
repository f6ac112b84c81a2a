// The page: one board, drawn by what its address asks for:
// ?board=UID&span=24h&faster=1&theme=dark&expand=1&marks=0&from=&to=&shown=&var-NAME=VALUE
// `from` and `to` are seconds since 1970; `faster` is how many times the world's rules hurry.
import { createTheme, ThemeContext } from '@grafana/data';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { Board } from './board.jsx';
import { facts } from './facts.js';
import { timeRange } from './prometheus.js';

const address = Object.fromEntries(new URLSearchParams(location.search));
const view = {
  ...address,
  faster: Number(address.faster || 1),
  range: timeRange(address.span || '1h', Number(address.to) || Date.now() / 1000),
  theme: createTheme({ colors: { mode: address.theme || 'dark' } }),
};
const board = await (await fetch(`/boards/${encodeURIComponent(address.board)}`)).json();

window.facts = () => facts();
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={view.theme}>
    <GlobalStyles /><Board board={board} view={view} /><PortalContainer />
  </ThemeContext.Provider>);
