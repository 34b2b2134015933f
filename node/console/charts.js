// SPDX-License-Identifier: Apache-2.0
//
// Small pictures of numbers: a line of the last minute, a bar, a heat map.
import { el, setAttr, svg } from './dom.js';
import { percent } from './format.js';

export class Sparkline {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.area = svg('path', { class: 'area' });
    this.line = svg('path', { class: 'line' });
    this.svg = svg('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none',
      'aria-hidden': 'true' }, this.area, this.line);
  }

  // What is null was not measured: the line stays where it was.
  draw(values) {
    const most = Math.max(1e-9, ...values.map((value) => value || 0));
    const step = this.width / (values.length - 1);
    const first = values.findIndex((value) => value !== null);
    let y = this.height - 1;
    const points = values.map((value, i) => {
      if (value !== null) y = this.height - 1 - (value / most) * (this.height - 3);
      return `${(i * step).toFixed(1)} ${y.toFixed(1)}`;
    }).slice(first);
    const line = first < 0 ? '' : `M${points.join('L')}`;
    setAttr(this.line, 'd', line);
    setAttr(this.area, 'd', line && `${line}V${this.height}H${(first * step).toFixed(1)}Z`);
  }
}

export class Bar {
  constructor(label) {
    this.fill = svg('rect', { class: 'fill', height: 8, rx: 2 });
    this.svg = svg('svg', { class: 'bar', viewBox: '0 0 100 8', preserveAspectRatio: 'none', role: 'img' },
      svg('rect', { class: 'track', width: 100, height: 8, rx: 2 }), this.fill);
    this.label = label;
  }

  draw(part, whole) {
    const full = percent(part, whole);
    setAttr(this.fill, 'width', part > 0 ? Math.max(1, full) : 0);
    setAttr(this.svg, 'class', full >= 75 ? 'bar high' : full >= 50 ? 'bar mid' : 'bar');
    setAttr(this.svg, 'aria-label', `${this.label} ${full} %`);
  }
}

// Columns are seconds, rows are buckets, the fastest at the bottom. One hue:
// the darker the more, on a logarithmic scale.
export class Heat {
  constructor(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    this.canvas = el('canvas', { class: 'heat', width: columns * 4, height: rows * 4, role: 'img' });
    this.context = this.canvas.getContext('2d');
  }

  draw(minute, label) {
    const { context, canvas, rows } = this;
    const most = Math.max(1, ...minute.map((counts) => Math.max(...counts)));
    const scale = Math.log1p(most);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = getComputedStyle(canvas).color;
    minute.forEach((counts, x) => counts.forEach((n, bucket) => {
      if (n === 0) return;
      context.globalAlpha = 0.25 + 0.75 * (Math.log1p(n) / scale);
      context.fillRect(x * 4, (rows - 1 - bucket) * 4, 4, 4);
    }));
    setAttr(canvas, 'aria-label', label);
  }
}
