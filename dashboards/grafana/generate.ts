// Writes dashboards/*.json; with --check it only says whether they are current.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dashboards } from './src/dashboards.ts';

const folder = new URL('./dashboards/', import.meta.url);
const check = process.argv.includes('--check');
mkdirSync(folder, { recursive: true });

const stale: string[] = [];
for (const [name, build] of Object.entries(dashboards)) {
  const board = build().build();
  // Grafana numbers panels itself when it loads a dashboard without numbers, which
  // would make links to a panel change with the layout.
  board.panels?.forEach((panel, i) => { panel.id = i + 1; });
  const text = `${JSON.stringify(board, null, 2)}\n`;
  const file = new URL(`${name}.json`, folder);
  let kept = '';
  try { kept = readFileSync(file, 'utf8'); } catch { /* It is new. */ }
  if (kept !== text) stale.push(`${name}.json`);
  if (!check) writeFileSync(file, text);
}
const known = new Set(Object.keys(dashboards).map((name) => `${name}.json`));
stale.push(...readdirSync(folder).filter((file) => !known.has(file)).map((file) => `${file} (nothing makes it)`));
if (check && stale.length > 0) {
  console.error(`not current: ${stale.join(', ')}; run npm run generate`);
  process.exit(1);
}
