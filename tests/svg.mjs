// SPDX-License-Identifier: Apache-2.0
//
// Plots of the docs: SVG that can be read in light and dark. css: one of the
// classes a to e of the style, a colour each. Each plot is a file NAME.svg.
import { writeFileSync } from 'node:fs';

const width = 640, height = 360, left = 56, top = 60, bottom = 44;
const legend = 170; // to the right of lines
const edge = 40; // to the right of bars
const style = `<style>
text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}.s{fill:#57606a;font-size:12px}
.g{stroke:#d0d7de;stroke-width:1}.a{stroke:#0969da;fill:#0969da}.b{stroke:#bc4c00;fill:#bc4c00}
.c{stroke:#1a7f37;fill:#1a7f37}.e{stroke:#8250df;fill:#8250df}
.l{fill:none;stroke-width:2.5}.d{stroke-dasharray:6 4}text.a,text.b,text.c,text.e{stroke:none}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.g{stroke:#3d444d}
.a{stroke:#4493f8;fill:#4493f8}.b{stroke:#f0883e;fill:#f0883e}.c{stroke:#3fb950;fill:#3fb950}
.e{stroke:#ab7df8;fill:#ab7df8}.l{fill:none}text.a,text.b,text.c,text.e{stroke:none}}
</style>`;
const tag = (name, attributes, inner = '') =>
  `<${name} ${Object.entries(attributes).map(([k, v]) => `${k}="${v}"`).join(' ')}>${inner}</${name}>`;
const text = (x, y, inner, css = '', anchor = 'start') => tag('text', { x, y, class: css, 'text-anchor': anchor }, inner);

// The share of the way from the first to the last tick, straight or by decades.
const straight = (ticks) => (v) => (v - ticks[0]) / (ticks.at(-1) - ticks[0]);
const decades = (ticks) => (v) => Math.log(v / ticks[0]) / Math.log(ticks.at(-1) / ticks[0]);
const words = (v) => (v >= 1e6 ? `${v / 1e6} M` : v >= 1000 ? v.toLocaleString('en') : String(v));

// { from, to, step } or { decades: [1, 10, ...] } to its ticks and scale.
export function axis(spec) {
  if (spec.decades) return { ticks: spec.decades, at: decades(spec.decades) };
  const ticks = [];
  for (let v = spec.from ?? 0; v <= spec.to + spec.step / 1e6; v += spec.step) ticks.push(Number(v.toPrecision(6)));
  return { ticks, at: straight(ticks) };
}

// Some four to eight steps of 1, 2 or 5 up to at least the greatest.
export function roundAxis(greatest) {
  const about = (greatest || 1) / 5;
  const unit = 10 ** Math.floor(Math.log10(about));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= about);
  return { from: 0, to: Math.ceil(greatest / step) * step || step, step };
}
// Decades that hold all of the values.
export function decadeAxis(values) {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  const ticks = [];
  for (let e = Math.floor(Math.log10(least)); e <= Math.ceil(Math.log10(greatest)); e += 1) ticks.push(10 ** e);
  return { decades: ticks.length > 1 ? ticks : [ticks[0], ticks[0] * 10] };
}

function frame({ title, unit, y: spec }, end) {
  const { ticks, at } = axis(spec);
  const y = (v) => height - bottom - at(v) * (height - top - bottom);
  const out = [text(left - 40, 22, title, 't'), text(left - 40, 38, unit, 's')];
  for (const v of ticks) {
    out.push(tag('line', { x1: left, x2: end, y1: y(v), y2: y(v), class: 'g' }));
    out.push(text(left - 8, y(v) + 4, words(v), 's', 'end'));
  }
  return { out, y };
}

function save(file, title, out) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">`;
  writeFileSync(file, `${svg}\n${style}\n${out.join('\n')}\n</svg>\n`);
}

// Labels beside the ends of lines, from the highest down, each in its own place.
function labels(series, y) {
  const ends = series.filter(({ marks }) => marks.length)
    .map(({ label, css, marks }) => ({ label, css, at: y(marks.at(-1)[1]) + 4 })).sort((a, b) => a.at - b.at);
  let above = 0;
  return ends.map(({ label, css, at }) => {
    above = Math.max(above + 17, at);
    return text(width - legend + 8, above, label, css);
  });
}

// plot: title, unit, xLabel, x and y (as axis() takes them); series: label, css,
// dashed, marks [[x, y]...].
export function lines(file, plot, series) {
  const end = width - legend;
  const { out, y } = frame(plot, end);
  const { ticks, at } = axis(plot.x);
  const x = (v) => left + 12 + at(v) * (end - left - 24);
  for (const v of ticks) out.push(text(x(v), height - bottom + 18, words(v), 's', 'middle'));
  out.push(text((left + end) / 2, height - 8, plot.xLabel, 's', 'middle'));
  for (const { css, dashed, marks } of series.filter((s) => s.marks.length)) {
    const d = marks.map(([n, v], i) => `${i ? 'L' : 'M'}${x(n).toFixed(1)} ${y(v).toFixed(1)}`).join('');
    out.push(tag('path', { d, class: `l ${css}${dashed ? ' d' : ''}` }));
    out.push(...marks.map(([n, v]) => tag('circle', { cx: x(n).toFixed(1), cy: y(v).toFixed(1), r: 3.5, class: css })));
  }
  save(file, plot.title, [...out, ...labels(series, y)]);
}

// rows: label, more (a second line), css, value, and from where (the least tick
// without it).
export function bars(file, plot, rows) {
  const { out, y } = frame(plot, width - edge);
  const [least] = axis(plot.y).ticks;
  const room = (width - left - edge) / rows.length;
  rows.forEach(({ label, more = '', css, value, from }, i) => {
    const x = left + i * room + room * 0.2;
    const middle = x + room * 0.3;
    out.push(tag('rect', { x: x.toFixed(1), y: y(value).toFixed(1), width: (room * 0.6).toFixed(1),
      height: (y(from ?? least) - y(value)).toFixed(1), class: css, rx: 2 }));
    out.push(text(middle, y(value) - 6, words(Math.round(value)), '', 'middle'));
    if (from !== undefined) out.push(text(middle, y(from) + 16, words(Math.round(from)), '', 'middle'));
    out.push(text(middle, height - bottom + 17, label, 's', 'middle'));
    out.push(text(middle, height - bottom + 33, more, 's', 'middle'));
  });
  save(file, plot.title, out);
}
