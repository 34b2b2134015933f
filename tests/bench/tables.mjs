// SPDX-License-Identifier: Apache-2.0
//
// Lines of measurements to tables, and tables into a page between markers.
import { broken } from './goals.mjs';
import { ratios, spread, valuesOf } from './rounds.mjs';

// "median (least to greatest)", or one value, or "-" of nothing.
export function show(measured, digits = 0) {
  if (!measured) return '-';
  const text = (v) => v.toFixed(digits);
  const { median, least, greatest } = measured;
  return least === greatest ? text(median) : `${text(median)} (${text(least)} to ${text(greatest)})`;
}

export const figure = (lines, where, key, { scale = 1, digits = 0 } = {}) =>
  show(spread(valuesOf(lines, where, key).map((v) => v * scale)), digits);
export const ratio = (lines, where, key, other) => show(spread(ratios(lines, where, key, other)), 2);

export function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

// What was lost, out of order, doubled or failed in these lines: "0", or which.
export function losses(lines) {
  const sum = (key) => lines.reduce((n, l) => n + (l[key] ?? 0), 0);
  const parts = [['lost', sum('lost')], ['out of order', sum('disorder')], ['twice', sum('duplicates')],
    ['failed', lines.filter((l) => l.error).length]].filter(([, n]) => n > 0);
  return parts.length ? `**${parts.map(([what, n]) => `${n} ${what}`).join(', ')}**` : '0';
}

// One line for each goal of the verdicts.
export function verdictTable(verdicts) {
  const limit = (v, value) => `${v.bound === 'most' ? '<=' : '>='} ${value}${v.unit === 'x' ? 'x' : ` ${v.unit}`}`;
  const meets = { goal: 'goal', gate: 'gate', MISSED: '**missed**' };
  return table(['what', 'against', 'measured', 'gate', 'goal', 'meets'], verdicts.map((v) => [v.what, v.against,
    show(v.measured, v.digits), limit(v, v.gate), limit(v, v.goal), v.measured ? meets[v.meets] : 'not measured']));
}

export function brokenList(lines) {
  return broken(lines).map((l) => `- ${l.scenario} ${l.row}, ${l.who}, round ${l.round}: `
    + (l.error ? l.error.split('\n')[0] : losses([l]))).join('\n');
}

// Replaces what stands between <!-- bench:NAME --> and <!-- /bench:NAME -->.
// Throws when the page has no such place.
export function write(page, name, text) {
  const [from, to] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [start, end] = [page.indexOf(from), page.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`the page has no place for ${name}`);
  return `${page.slice(0, start + from.length)}\n${text.trim()}\n${page.slice(end)}`;
}
