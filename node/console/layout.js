// SPDX-License-Identifier: Apache-2.0
//
// Where regions, nodes and the lines between them are on the map. Pure: the
// same names and width give the same places, so that nothing jumps.

const GAP = 28;
const TITLE = 26;
const NARROW = 560;
const FEW = 12; // so many nodes get circles and a line for each pair
const PILL = { w: 112, h: 34 }; // what one of many takes
const MARGIN = 96; // beside areas of many nodes, for the ways between them

function areaSize(count, width, few) {
  if (few) return { inner: count <= 1 ? 120 : count <= 3 ? 190 : 260, columns: 0 };
  const columns = Math.max(1, Math.floor((width - 12) / PILL.w));
  return { inner: Math.ceil(count / columns) * PILL.h + 14, columns };
}

function ringPlaces(count, box, narrow) {
  const x = box.x + box.w / 2;
  const y = box.y + TITLE + (box.h - TITLE) / 2 - 4;
  if (count === 1) return [{ x, y }];
  const rx = Math.min(box.w / 2 - 50, 150);
  const ry = Math.min((box.h - TITLE) / 2 - 46, 130);
  // Two stand across the way to other regions, so that this is free.
  return Array.from({ length: count }, (_, i) => {
    const turn = (narrow ? Math.PI : -Math.PI / 2) + (2 * Math.PI * i) / count;
    return { x: x + rx * Math.cos(turn), y: y + ry * Math.sin(turn) };
  });
}

function gridPlaces(count, box, columns) {
  const step = (box.w - 12) / columns;
  return Array.from({ length: count }, (_, i) => ({
    x: box.x + 6 + step * (i % columns) + step / 2,
    y: box.y + TITLE + 22 + Math.floor(i / columns) * PILL.h,
  }));
}

// Where the words of a node are: away from the middle, where lines are.
function outward(spot, width, height, narrow) {
  const [x, y] = [spot.x - width / 2, spot.y - height / 2];
  if (narrow) return y < 0 ? 'up' : 'down';
  if (Math.abs(x) < 40) return y < 0 ? 'up' : 'down';
  return x < 0 ? 'left' : 'right';
}

// groups: [region, [node name, ...]] in order; height: to be filled if there is
// more of it than needed.
export function layout(groups, width, height) {
  const few = groups.reduce((sum, [, names]) => sum + names.length, 0) <= FEW;
  const narrow = width < NARROW;
  const columns = !few || groups.length <= 1 || (narrow && groups.length === 2) ? 1
    : groups.length <= 4 ? 2 : Math.ceil(Math.sqrt(groups.length));
  const gap = GAP * (narrow ? 1.5 : 3);
  const room = few || groups.length <= 1 ? width - 2 : width - 2 - MARGIN;
  const cell = (room - gap * (columns - 1)) / columns;
  const places = new Map();
  const areas = [];
  const between = few ? GAP * 1.5 : GAP / 2;
  const lines = [];
  for (let row = 0; row < groups.length; row += columns) {
    const line = groups.slice(row, row + columns);
    const sizes = line.map(([, names]) => areaSize(names.length, cell, few));
    lines.push({ line, sizes, h: Math.max(...sizes.map((size) => size.inner)) + TITLE });
  }
  const natural = lines.reduce((sum, { h }) => sum + h + between, 2 - between);
  const spare = few ? Math.max(0, Math.min(height - natural, 260 * lines.length)) / Math.max(1, lines.length) : 0;
  const whole = natural + spare * lines.length;
  let y = 1;
  for (const { line, sizes, h: least } of lines) {
    const h = least + spare;
    const left = 1 + (room - line.length * cell - (line.length - 1) * gap) / 2;
    line.forEach(([name, names], i) => {
      const box = { name, x: left + i * (cell + gap), y, w: cell, h };
      areas.push(box);
      const spots = few ? ringPlaces(names.length, box, narrow) : gridPlaces(names.length, box, sizes[i].columns);
      names.forEach((node, at) => {
        places.set(`${name}\n${node}`, { ...spots[at], words: outward(spots[at], width, whole, narrow) });
      });
    });
    y += h + between;
  }
  return { few, areas, places, natural, height: Math.max(whole, 0) };
}

// From the rim of a to the rim of b, moved aside to the right of the way, so
// that the two directions are two lanes: the path of one.
export function lane(a, b, rim, aside) {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const off = { x: -uy * aside, y: ux * aside };
  const at = (point, sign) => `${(point.x + sign * ux * rim + off.x).toFixed(1)} ${(point.y + sign * uy * rim + off.y).toFixed(1)}`;
  return `M${at(a, 1)}L${at(b, -1)}`;
}

// The way between two of many areas: a bracket in the margin beside them, the
// further out the more areas lie between.
export function bracket(areas, a, b) {
  const [i, j] = [areas.indexOf(a), areas.indexOf(b)];
  const right = a.x + a.w;
  const out = right + 14 + 30 * Math.min(2, Math.abs(i - j) - 1);
  const middle = (area, toward) => area.y + area.h / 2 + (toward > area.y ? 1 : -1) * Math.min(18, area.h / 4);
  const [y1, y2] = [middle(a, b.y), middle(b, a.y)];
  return { d: `M${right} ${y1}H${out}V${y2}H${right}`, x: out, y: (y1 + y2) / 2 };
}
