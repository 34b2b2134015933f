// SPDX-License-Identifier: Apache-2.0
//
// What must hold for a release (gate) and where we are going (goal): of the
// median over the rounds, mostly of the ratio to another broker in each round.
import { ratios, spread, valuesOf } from './rounds.mjs';

const cpu = 'cpu_ns_per_delivery';
const most = (gate, goal = gate) => ({ bound: 'most', gate, goal });
const least = (gate, goal) => ({ bound: 'least', gate, goal });

// what: for the reader · where: scenario, row, who · key · against, which: as in
// ratios(), without them the value itself counts · scale, unit, digits: of it.
export const goals = [
  ...[['1-64', '1 to 1, 64 B', 0.8, 0.5], ['10-64', '1 to 10, 64 B', 0.9, 0.5],
    ['100-64', '1 to 100, 64 B', 0.7, 0.45], ['1000-64', '1 to 1000, 64 B', 0.7, 0.45],
    ['100-1024', '1 to 100, 1 KiB', 0.9, 0.5]]
    .map(([row, what, gate, goal]) => ({ what: `${what}: CPU a delivery`, scenario: 'fanout', row, who: 'one',
      key: cpu, against: 'redis', ...most(gate, goal) })),
  { what: '1 to 1, 64 B: CPU a delivery', scenario: 'fanout', row: '1-64', who: 'one', key: cpu,
    against: 'nats', ...most(1, 0.6) },
  { what: '100 pairs, 64 B: CPU a delivery', scenario: 'pairs', row: 'pairs', who: 'one', key: cpu,
    against: 'nats', ...most(1, 0.6) },
  { what: 'fan-in 100 to 1, 64 B: CPU a delivery', scenario: 'pairs', row: 'fanin', who: 'one', key: cpu,
    against: 'redis', ...most(0.9, 0.6) },
  { what: 'A to B, 1 to 1, 64 B: CPU of both a delivery', scenario: 'cluster', row: '1-64', who: 'ab', key: cpu,
    against: 'nats2', ...most(1, 0.6) },
  { what: 'A to B, 1 to 100, 64 B: CPU of both a delivery', scenario: 'cluster', row: '100-64', who: 'ab', key: cpu,
    against: 'nats2', ...most(0.8, 0.45) },
  { what: 'A to B, 100 pairs, 64 B: deliveries/s', scenario: 'cluster', row: 'pairs', who: 'ab',
    key: 'deliveries_per_s', against: 'nats2', ...least(1.2, 2.5) },
  { what: '1 to 1 at 10,000/s: p50', scenario: 'latency', row: '10k', who: 'one', key: 'p50_us',
    against: ['redis', 'nats'], which: 'least', ...most(1.2, 1) },
  { what: '1 to 1 at 10,000/s: p99', scenario: 'latency', row: '10k', who: 'one', key: 'p99_us',
    against: ['redis', 'nats'], which: 'middle', ...most(1.2, 1) },
  { what: 'A to B at 10,000/s: p50', scenario: 'latency', row: '10k', who: 'ab', key: 'p50_us',
    against: 'nats2', ...most(1.5, 1.1) },
  { what: 'WebSocket, 1 to 1000, 64 B: CPU a delivery', scenario: 'doors', row: '1000-64', who: 'ws', key: cpu,
    against: 'resp', ...most(1.3, 1.1) },
  { what: 'gRPC, 1 to 100 streams, 64 B: CPU a delivery', scenario: 'doors', row: '100-64', who: 'grpc', key: cpu,
    against: 'resp', ...most(2, 2) },
  { what: 'idle connection with a subscription, of 10,000: resident', scenario: 'connections', row: '10000', who: 'one',
    key: 'rss_bytes_each', unit: 'B', digits: 0, ...most(2048, 1024) },
  { what: '10,000 idle connections: CPU', scenario: 'connections', row: '10000', who: 'one', key: 'cpu_percent',
    unit: '% of a core', digits: 2, ...most(1, 0.1) },
  { what: 'connects with a subscribe/s', scenario: 'connections', row: '10000', who: 'one', key: 'connects_per_s',
    against: 'mosquitto', ...least(0.8, 1) },
  { what: 'subscribe to routable from the other node, 10,000/s: p99', scenario: 'churn', row: '10k', who: 'ab', key: 'p99_us',
    scale: 1e-3, unit: 'ms', ...most(10, 5) },
  { what: 'one of 1 M topics over 10,000 connections: CPU a delivery', scenario: 'scaling', row: 'topics', who: '1M', key: cpu,
    against: '1', ...most(2) },
  { what: 'one client on 1,000 topics: CPU a delivery', scenario: 'scaling', row: 'clients', who: '1 client', key: cpu,
    against: '1,000 clients', ...most(1.5) },
  { what: 'one client on 1,000 topics: CPU a delivery', scenario: 'scaling', row: 'clients', who: '1 client', key: cpu,
    against: '1 topic', ...most(1.5) },
  { what: 'a reader that stands still at 1 of 1000: p99 of the others', scenario: 'slow', row: '999', who: 'with', key: 'p99_us',
    against: 'without', ...most(1.1) },
];

const names = { redis: 'redis', nats: 'nats', nats2: 'nats x2', resp: 'our own RESP', 1: 'one topic',
  '1,000 clients': '1,000 clients, a topic each', '1 topic': '1,000 clients on one topic', without: 'without it' };
const which = { least: 'the best of ', greatest: 'the best of ', middle: 'the middle of ' };
function opponent(goal) {
  if (!goal.against) return '';
  if (Array.isArray(goal.against)) return which[goal.which] + goal.against.map((w) => names[w]).join(' and ');
  return names[goal.against] ?? goal.against;
}

// { what, against, unit, digits, bound, gate, goal, measured (a spread, or null),
// meets: 'goal', 'gate' or 'MISSED' }.
export function verdict(lines, goal) {
  const { key, against, bound, scale = 1 } = goal;
  const values = against ? ratios(lines, goal, key, against, goal.which)
    : valuesOf(lines, goal, key).map((v) => v * scale);
  const measured = spread(values);
  const holds = (limit) => (bound === 'most' ? measured.median <= limit : measured.median >= limit);
  let meets = 'MISSED';
  if (measured && holds(goal.goal)) meets = 'goal';
  else if (measured && holds(goal.gate)) meets = 'gate';
  return { what: goal.what, against: opponent(goal), unit: goal.unit ?? 'x', digits: goal.digits ?? 2,
    bound, gate: goal.gate, goal: goal.goal, measured, meets };
}

// Of the scenarios that were measured.
export function verdicts(lines) {
  const measured = new Set(lines.map((l) => l.scenario));
  return goals.filter((g) => measured.has(g.scenario)).map((g) => verdict(lines, g));
}

// Of the measurements in which the node itself said what it delivered: how many,
// and in how many it agrees with the generator.
export function agreement(lines) {
  const told = lines.filter((l) => Number.isFinite(l.server_delivered) && l.slow_waiting_bytes === undefined);
  return { of: told.length, agree: told.filter((l) => l.server_delivered === l.delivered).length };
}

// Lines on which something was lost, out of order or twice, or that failed.
export const broken = (lines) => lines.filter((l) => l.error || l.lost > 0 || l.disorder > 0 || l.duplicates > 0);
