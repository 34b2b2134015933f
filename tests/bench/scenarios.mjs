// SPDX-License-Identifier: Apache-2.0
//
// What is measured: each scenario is rows of one measurement and the contenders
// of each row. server: of servers.mjs; args: options of `starling bench`, and
// `times` the usual seconds; fresh: new servers for each measurement.
import { figures } from './generator.mjs';
import { slowReader } from './slow_reader.mjs';

const contenders = (...keys) => keys.map((key) => ({ who: key, server: key }));
const TOOLS_MS = 120000;

const fanoutRow = (subs, size, who) => ({ name: `${subs}-${size}`, mode: 'fanout', args: { subs, size }, contenders: who });
const pairsRow = (mode, name, who) => ({ name, mode, args: { pubs: 100, size: 64 }, contenders: who });

const fanout = {
  name: 'fanout',
  rows: [64, 1024].flatMap((size) => [1, 10, 100, 1000]
    .map((subs) => fanoutRow(subs, size, contenders('redis', 'nats', 'one')))),
};

const pairs = {
  name: 'pairs',
  rows: [pairsRow('pairs', 'pairs', contenders('redis', 'nats', 'one')),
    pairsRow('fanin', 'fanin', contenders('redis', 'nats', 'one'))],
};

// The publishers on one node, the subscribers on the other.
const twoNodes = contenders('ab', 'nats2');
const cluster = {
  name: 'cluster',
  rows: [...[64, 1024].flatMap((size) => [1, 100].map((subs) => fanoutRow(subs, size, twoNodes))),
    pairsRow('pairs', 'pairs', twoNodes)].map((row) => ({ ...row, mode: 'cluster' })),
};

const latency = {
  name: 'latency',
  rows: [{ name: '10k', mode: 'latency', args: { rate: 10000, size: 64, times: 3 },
    contenders: contenders('redis', 'nats', 'nats2', 'one', 'ab') }],
};

const doors = {
  name: 'doors',
  rows: [1, 10, 100, 1000].map((subs) => fanoutRow(subs, 64,
    ['resp', 'ws', 'sse', 'grpc'].map((door) => ({ who: door, server: 'one', args: { door } })))),
};

const CONNS = 10000;
const connections = {
  name: 'connections',
  fresh: true, // memory that was used once stays resident
  rows: [{ name: String(CONNS), mode: 'connections', args: { conns: CONNS, times: 3 },
    contenders: [...contenders('redis', 'nats', 'one'), { who: 'mosquitto', server: 'mosquitto', measure: mosquitto }] }],
};
function mosquitto({ port, pids }) {
  return figures(['build/mqtt_idle', port, CONNS, 2, pids[0]], TOOLS_MS);
}

const churn = {
  name: 'churn',
  rows: [
    { name: '10k', mode: 'churn', args: { conns: 256, rate: 10000, times: 2 }, contenders: contenders('redis', 'one', 'ab') },
    { name: 'single', mode: 'churn', args: { conns: 1 }, contenders: contenders('redis', 'one', 'ab') },
    { name: 'storm', mode: 'churn', args: { conns: 64 }, contenders: contenders('redis', 'one', 'ab') },
  ],
};

// bench_scaling: a fixed number of items in a turn, so that what is compared
// makes as many system calls (tests/bench/scaling).
const turns = (who, server, ...shape) => ({ who, server,
  measure: ({ url, pids }) => figures(['build/bench_scaling', new URL(url).port, pids[0], ...shape, 1], TOOLS_MS) });
const scaling = {
  name: 'scaling',
  rounds: 3, // a million subscribes in each
  fresh: true,
  rows: [
    { name: 'topics', contenders: [turns('1', 'one', 1, 1, 'along', 64), turns('1M', 'one', CONNS, 100, 'along', 64)] },
    { name: 'scattered', contenders: [turns('64', 'one', 64, 1, 'across', 64), turns('1M', 'one', CONNS, 100, 'across', 64),
      turns('redis', 'redis', CONNS, 100, 'across', 64)] },
    { name: 'clients', contenders: [turns('1 client', 'one', 1, 1000, 'along', 64),
      turns('1,000 clients', 'one', 1000, 1, 'along', 64), turns('1 topic', 'one', 1000, 1, 'shared', 1)] },
  ],
};

const slow = {
  name: 'slow',
  fresh: true,
  rows: [{ name: '999', mode: 'latency', args: { subs: 999, rate: 100, size: 64, times: 4 },
    contenders: [{ who: 'without', server: 'one' }, { who: 'with', server: 'one', beside: slowReader }] }],
};

const curves = {
  name: 'curves',
  rounds: 3,
  fresh: true,
  rows: [
    ...[1, 10, 100, 1000, 10000].map((subs) => fanoutRow(subs, 64, contenders('one')))
      .map((row) => ({ ...row, name: `subs-${row.args.subs}` })),
    // As few connections as may have them: what is in a batch stays the same.
    ...[1, 10, 100, 1000, 10000, 100000, 1000000].map((topics) => ({ name: `topics-${topics}`, mode: 'topics',
      args: { topics, conns: Math.ceil(topics / 10000), size: 64 }, contenders: contenders('one') })),
    ...[1, 2, 4, 8].map((nodes) => ({ name: `nodes-${nodes}`, mode: nodes > 1 ? 'cluster' : 'fanout',
      args: { subs: 100, size: 64 },
      contenders: [{ who: 'one', server: `nodes:${nodes}` }] })),
  ],
};

// How much of a figure is the batch: a window of n items makes batches of n.
const batches = {
  name: 'batches',
  rounds: 3,
  rows: [1, 8, 64, 512].map((window) => ({ name: `${window}`, mode: 'fanout', args: { subs: 100, size: 64, window },
    contenders: contenders('redis', 'nats', 'one') })),
};

const workerCounts = [1, 2].map((n) => ({ who: String(n), server: `workers:${n}` }));
const workers = {
  name: 'workers',
  rounds: 3,
  rows: [fanoutRow(100, 64, workerCounts), fanoutRow(1000, 64, workerCounts),
    pairsRow('pairs', 'pairs', workerCounts)],
};

// Where the time of an item from A to B goes: the pieces beside the whole.
const tool = (name, ...words) => ({ name, contenders: [{ who: 'tool',
  measure: () => figures([`build/${words[0]}`, ...words.slice(1)], TOOLS_MS) }] });
const budget = {
  name: 'budget',
  rounds: 3,
  rows: [
    { name: '5k', mode: 'latency', args: { rate: 5000, size: 64 }, contenders: contenders('redis', 'one', 'ab') },
    tool('hop', 'bench_mesh_link', 'delay', 3000, 16, 100),
    tool('wake', 'bench_mesh_link', 'wake', 3000, 100),
    tool('seal', 'bench_seal', 16),
  ],
};

export const scenarios = [fanout, pairs, cluster, latency, doors, connections, churn, scaling, slow, curves, batches, workers, budget];
export const named = (name) => scenarios.find((s) => s.name === name);
