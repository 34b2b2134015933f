// SPDX-License-Identifier: Apache-2.0
//
// Numbers as people read them.

function scaled(value, step, units) {
  let n = value;
  let unit = 0;
  while (n >= step && unit < units.length - 1) {
    n /= step;
    unit += 1;
  }
  const digits = unit === 0 || n >= 100 ? 0 : 1;
  return n.toFixed(digits) + units[unit];
}

export const count = (n) => scaled(Math.max(0, n || 0), 1000, ['', 'k', 'M', 'G', 'T']);
export const bytes = (n) => scaled(Math.max(0, n || 0), 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);
export const rate = (n) => `${count(n)}/s`;
export const percent = (part, whole) => (whole > 0 ? Math.min(100, Math.round((100 * part) / whole)) : 0);

// Microseconds, with about two figures that say something.
export function ms(us) {
  if (us === null || us === undefined || !Number.isFinite(us)) return '–';
  const n = us / 1000;
  if (n >= 1000) return `${(n / 1000).toFixed(n >= 10000 ? 0 : 1)} s`;
  return `${n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2)} ms`;
}

// Of what is known by its bucket only.
export const about = (us) => (us === null ? '–' : `≈ ${ms(us)}`);

export function span(millis) {
  const s = Math.max(0, Math.round((millis || 0) / 1000));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}

const two = (n) => String(n).padStart(2, '0');

export function clock(at, withMs = false) {
  const d = new Date(at);
  const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return withMs ? `${text}.${String(d.getMilliseconds()).padStart(3, '0')}` : text;
}
