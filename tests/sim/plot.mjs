// SPDX-License-Identifier: Apache-2.0
//
// node tests/sim/plot.mjs docs/card.jsonl docs/img: draws the lines of the
// report card beside the figures of memberlist (docs/CLUSTER.md, Figures).
import { readFileSync, mkdirSync } from 'node:fs';
import { bars, lines as draw } from '../svg.mjs';

const [from, to] = process.argv.slice(2);
if (!to) {
  console.error('usage: node tests/sim/plot.mjs LINES FOLDER');
  process.exit(2);
}
const lines = readFileSync(from, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const points = (metric, loss, scale = 1) => lines
  .filter((l) => l.metric === metric && l.loss === loss)
  .map((l) => [l.n, l.value * scale])
  .sort((a, b) => a[0] - b[0]);

// Of memberlist's parameters for a LAN, simulated: seconds by nodes.
const memberlist = {
  p50: [[3, 5.6], [10, 5.7], [30, 7.6], [100, 9.7], [1000, 13.7]],
  p99: [[3, 6.8], [10, 8.4], [30, 11.5], [100, 13.8], [1000, 17.5]],
};
const byNodes = { x: { decades: [3, 10, 100, 1000] }, xLabel: 'nodes' };

mkdirSync(to, { recursive: true });
draw(`${to}/detection.svg`, { ...byNodes, title: 'A silent crash is known after', unit: 'seconds, each survivor',
  y: { to: 18, step: 3 } }, [
  { label: 'memberlist, 99 %', css: 'b', dashed: true, marks: memberlist.p99 },
  { label: 'memberlist, median', css: 'b', marks: memberlist.p50 },
  { label: 'Starling, 99 %', css: 'a', dashed: true, marks: points('detect_silent_p99_ms', 0, 1e-3) },
  { label: 'Starling, median', css: 'a', marks: points('detect_silent_p50_ms', 0, 1e-3) },
]);
const rumour = (loss) => points('rumour_t99_ms', loss).find(([n]) => n === 1000)?.[1] ?? 0;
bars(`${to}/rumour.svg`, { title: 'A rumour has reached 99 % of 1,000 nodes after', unit: 'milliseconds',
  y: { to: 1200, step: 200 } }, [
  { label: 'memberlist', more: 'no loss', css: 'b', value: 810 },
  { label: 'Starling', more: 'no loss', css: 'a', value: rumour(0) },
  { label: 'memberlist', more: '30 % lost', css: 'b', value: 1110 },
  { label: 'Starling', more: '30 % lost', css: 'a', value: rumour(0.3) },
]);
const bytes = (loss) => points('bytes_per_node_per_s', loss);
const mostBytes = Math.ceil(Math.max(1000, ...bytes(0.1).map(([, v]) => v)) / 200) * 200;
draw(`${to}/bytes.svg`, { ...byNodes, title: 'Gossip that a node sends', y: { to: mostBytes, step: 200 },
  unit: 'bytes a second, with envelope, UDP and IP' }, [
  { label: '10 % of packets lost', css: 'b', marks: bytes(0.1) },
  { label: 'no loss', css: 'a', marks: bytes(0) },
]);
