// Bundles src/ into dist/, with the pictures and the font that Grafana's packages ask for by path.
import { copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const FONTS = { 400: 'Regular', 500: 'Medium' };
const FROM = 'node_modules/@fontsource/inter/files';
const TO = 'dist/public/fonts/inter';

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: ['src/main.jsx'], outdir: 'dist', bundle: true, format: 'esm', splitting: true,
  minify: true, target: 'es2022', jsx: 'automatic', logLevel: 'warning', legalComments: 'linked',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  loader: { '.woff2': 'file', '.woff': 'file', '.ttf': 'file', '.svg': 'dataurl', '.png': 'dataurl' },
});
cpSync('node_modules/@grafana/ui/dist/public/img', 'dist/public/build/img', { recursive: true });
mkdirSync(TO, { recursive: true });
for (const [weight, name] of Object.entries(FONTS)) {
  copyFileSync(`${FROM}/inter-latin-${weight}-normal.woff2`, `${TO}/Inter-${name}.woff2`);
}
copyFileSync('src/index.html', 'dist/index.html');
