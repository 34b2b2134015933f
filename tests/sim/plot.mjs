// SPDX-License-Identifier: Apache-2.0
//
// node tests/sim/plot.mjs docs/card.jsonl docs/img: draws the lines of the
// report card beside the figures of memberlist (docs/CLUSTER.md, Figures) as
// SVG that can be read in light and dark.
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';

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

const width = 640, height = 360, left = 56, right = 170, top = 60, bottom = 44;
const style = `<style>
text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}.s{fill:#57606a;font-size:12px}
.g{stroke:#d0d7de;stroke-width:1}.a{stroke:#0969da;fill:#0969da}.b{stroke:#bc4c00;fill:#bc4c00}
.l{fill:none;stroke-width:2.5}.d{stroke-dasharray:6 4}text.a,text.b{stroke:none}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.g{stroke:#3d444d}
.a{stroke:#4493f8;fill:#4493f8}.b{stroke:#f0883e;fill:#f0883e}.l{fill:none}text.a,text.b{stroke:none}}
</style>`;
const tag = (name, attributes, inner = '') =>
  `<${name} ${Object.entries(attributes).map(([k, v]) => `${k}="${v}"`).join(' ')}>${inner}</${name}>`;
const text = (x, y, inner, css = '', anchor = 'start') => tag('text', { x, y, class: css, 'text-anchor': anchor }, inner);

function frame(title, unit, most, step, end) {
  const y = (v) => height - bottom - (v / most) * (height - top - bottom);
  const out = [text(left - 40, 22, title, 't'), text(left - 40, 38, unit, 's')];
  for (let v = 0; v <= most; v += step) {
    out.push(tag('line', { x1: left, x2: end, y1: y(v), y2: y(v), class: 'g' }));
    out.push(text(left - 8, y(v) + 4, v, 's', 'end'));
  }
  return { out, y };
}

function save(name, title, out) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">`;
  writeFileSync(`${to}/${name}.svg`, `${svg}\n${style}\n${out.join('\n')}\n</svg>\n`);
}

// Values by the number of nodes, which grows by tens.
function byNodes(name, title, unit, most, step, series) {
  const { out, y } = frame(title, unit, most, step, width - right);
  const x = (n) => left + 12 + ((Math.log10(n) - Math.log10(3)) / (3 - Math.log10(3))) * (width - left - right - 24);
  for (const n of [3, 10, 100, 1000]) {
    out.push(text(x(n), height - bottom + 18, n, 's', 'middle'));
  }
  out.push(text((left + width - right) / 2, height - 8, 'nodes', 's', 'middle'));
  let above = 0; // where the last label stands
  for (const { label, css, dashed, marks } of series) {
    if (marks.length === 0) {
      continue;
    }
    const d = marks.map(([n, v], i) => `${i ? 'L' : 'M'}${x(n).toFixed(1)} ${y(v).toFixed(1)}`).join('');
    out.push(tag('path', { d, class: `l ${css}${dashed ? ' d' : ''}` }));
    for (const [n, v] of marks) {
      out.push(tag('circle', { cx: x(n).toFixed(1), cy: y(v).toFixed(1), r: 3.5, class: css }));
    }
    const last = marks[marks.length - 1];
    above = Math.max(above + 17, y(last[1]) + 4);
    out.push(text(width - right + 8, above, label, css));
  }
  save(name, title, out);
}

function bars(name, title, unit, most, step, rows) {
  const { out, y } = frame(title, unit, most, step, width - 40);
  const room = (width - left - 40) / rows.length;
  rows.forEach(({ label, more, css, value }, i) => {
    const x = left + i * room + room * 0.2;
    out.push(tag('rect', { x: x.toFixed(1), y: y(value).toFixed(1), width: (room * 0.6).toFixed(1),
      height: (y(0) - y(value)).toFixed(1), class: css, rx: 2 }));
    out.push(text(x + room * 0.3, y(value) - 6, Math.round(value), '', 'middle'));
    out.push(text(x + room * 0.3, height - bottom + 17, label, 's', 'middle'));
    out.push(text(x + room * 0.3, height - bottom + 33, more, 's', 'middle'));
  });
  save(name, title, out);
}

mkdirSync(to, { recursive: true });
byNodes('detection', 'A silent crash is known after', 'seconds, each survivor', 18, 3, [
  { label: 'memberlist, 99 %', css: 'b', dashed: true, marks: memberlist.p99 },
  { label: 'memberlist, median', css: 'b', marks: memberlist.p50 },
  { label: 'Starling, 99 %', css: 'a', dashed: true, marks: points('detect_silent_p99_ms', 0, 1e-3) },
  { label: 'Starling, median', css: 'a', marks: points('detect_silent_p50_ms', 0, 1e-3) },
]);
const rumour = (loss) => points('rumour_t99_ms', loss).find(([n]) => n === 1000)?.[1] ?? 0;
bars('rumour', 'A rumour has reached 99 % of 1,000 nodes after', 'milliseconds', 1200, 200, [
  { label: 'memberlist', more: 'no loss', css: 'b', value: 810 },
  { label: 'Starling', more: 'no loss', css: 'a', value: rumour(0) },
  { label: 'memberlist', more: '30 % lost', css: 'b', value: 1110 },
  { label: 'Starling', more: '30 % lost', css: 'a', value: rumour(0.3) },
]);
const bytes = (loss) => points('bytes_per_node_per_s', loss);
const mostBytes = Math.ceil(Math.max(1000, ...bytes(0.1).map(([, v]) => v)) / 200) * 200;
byNodes('bytes', 'Gossip that a node sends', 'bytes a second, with envelope, UDP and IP', mostBytes, 200, [
  { label: '10 % of packets lost', css: 'b', marks: bytes(0.1) },
  { label: 'no loss', css: 'a', marks: bytes(0) },
]);
