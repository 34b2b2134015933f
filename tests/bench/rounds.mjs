// SPDX-License-Identifier: Apache-2.0
//
// What is measured, again and again: each round runs every contender of every
// row, in an order that rotates with the round, and each measurement is one line
// { scenario, row, round, who, ...what the generator printed }.

// The one in the middle, the mean of the two there, NaN of none.
export function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

// null of no values.
export function spread(values) {
  if (values.length === 0) return null;
  return { median: middle(values), least: Math.min(...values), greatest: Math.max(...values) };
}

export const rotated = (list, round) => list.map((_, i) => list[(i + round) % list.length]);

// The values of a key by round; lines without it are left out.
export function byRound(lines, { scenario, row, who }, key) {
  return new Map(lines
    .filter((l) => l.scenario === scenario && l.row === row && l.who === who && Number.isFinite(l[key]))
    .map((l) => [l.round, l[key]]));
}
export const valuesOf = (lines, where, key) => [...byRound(lines, where, key).values()];

// What a measurement is compared with, of several contenders in one round.
const choose = { least: (v) => Math.min(...v), greatest: (v) => Math.max(...v), middle };

// The ratio to the others in each round that has them all. others: a contender,
// or several and which of their values counts (least, greatest, middle).
export function ratios(lines, where, key, others, which = 'middle') {
  const ours = byRound(lines, where, key);
  const theirs = [others].flat().map((who) => byRound(lines, { ...where, who }, key));
  return [...ours].flatMap(([round, value]) => {
    if (!theirs.every((m) => m.has(round))) return [];
    const base = choose[which](theirs.map((m) => m.get(round)));
    return base > 0 ? [value / base] : [];
  });
}

// contender.measure instead of the generator, or contender.beside: what happens
// at the same time. Resolves to its end, which may add to the figures.
async function one(server, row, contender, bench) {
  if (contender.measure) return contender.measure(server);
  const end = contender.beside ? await contender.beside(server) : async () => ({});
  try {
    const figures = await bench(server, row, contender);
    return { ...figures, ...await end() };
  } catch (error) {
    await end().catch(() => {});
    throw error;
  }
}

// One scenario in all its rounds. fleet: get(server) and stop(); bench(server,
// row, contender) resolves to the figures; record(line) keeps them. A measurement
// that fails is a line with `error`; the others go on.
export async function measure(scenario, { rounds, fleet, bench, record }) {
  const most = Math.min(rounds, scenario.rounds ?? rounds);
  for (let round = 1; round <= most; round += 1) {
    for (const row of scenario.rows) {
      for (const contender of rotated(row.contenders, round)) {
        const where = { scenario: scenario.name, row: row.name, round, who: contender.who };
        try {
          const server = contender.server ? await fleet.get(contender.server) : null;
          record({ ...where, ...await one(server, row, contender, bench) });
        } catch (error) {
          record({ ...where, error: error.message });
          await fleet.stop(); // whatever state they are in
        }
        if (scenario.fresh) await fleet.stop();
      }
    }
  }
  await fleet.stop();
}
