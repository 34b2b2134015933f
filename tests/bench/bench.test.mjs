// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic, the rounds and the tables of tests/bench/run, without brokers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { temporaryFolder } from '../e2e/harness.mjs';
import { benchWords, figures } from './generator.mjs';
import { agreement, broken, goals, verdict, verdicts } from './goals.mjs';
import { draw, tablesOf } from './report.mjs';
import { byRound, measure, middle, ratios, rotated, spread } from './rounds.mjs';
import { scenarios } from './scenarios.mjs';
import { losses, show, table, write } from './tables.mjs';
import { axis, decadeAxis, roundAxis } from '../svg.mjs';

const line = (round, who, more) => ({ scenario: 's', row: 'r', round, who, ...more });
const where = { scenario: 's', row: 'r', who: 'ours' };

test('the median is the middle, or the mean of both', () => {
  assert.equal(middle([3, 1, 2]), 2);
  assert.equal(middle([4, 1, 2, 3]), 2.5);
  assert.equal(middle([-1, 1]), 0);
  assert.ok(Number.isNaN(middle([])));
  assert.deepEqual(spread([10, 2, 9]), { median: 9, least: 2, greatest: 10 });
  assert.equal(spread([]), null);
});

test('a ratio is of one round, and of rounds that have both', () => {
  const lines = [line(1, 'ours', { x: 1 }), line(1, 'theirs', { x: 2 }),
    line(2, 'ours', { x: 9 }), line(2, 'theirs', { x: 3 }),
    line(3, 'ours', { x: 5 }), line(3, 'theirs', { error: 'ended' }),
    line(4, 'ours', { x: 5 }), line(4, 'theirs', { x: 0 })];
  assert.deepEqual(ratios(lines, where, 'x', 'theirs'), [0.5, 3]);
  assert.deepEqual([...byRound(lines, where, 'x').keys()], [1, 2, 3, 4]);
});

test('of several others the best or the middle counts', () => {
  const lines = [line(1, 'ours', { x: 6 }), line(1, 'a', { x: 2 }), line(1, 'b', { x: 4 })];
  assert.deepEqual(ratios(lines, where, 'x', ['a', 'b'], 'least'), [3]);
  assert.deepEqual(ratios(lines, where, 'x', ['a', 'b'], 'middle'), [2]);
});

test('the order rotates, and in as many rounds each is once in each place', () => {
  const orders = [1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round));
  for (const place of [0, 1, 2]) assert.equal(new Set(orders.map((order) => order[place])).size, 3);
});

// A fleet and a generator that note what was asked of them.
function fakes(answer) {
  const asked = [];
  const lines = [];
  return { asked, lines, rounds: 2, record: (l) => lines.push(l),
    fleet: { get: async (key) => ({ key }), stop: async () => { asked.push('stop'); } },
    bench: async (server, row, contender) => { asked.push(contender.who); return answer(contender.who); } };
}
const scenarioOf = (more) => ({ name: 's', rows: [{ name: 'r',
  contenders: [{ who: 'a', server: 'a' }, { who: 'b', server: 'b' }] }], ...more });

test('every round measures every contender', async () => {
  const fake = fakes(() => ({ x: 1 }));
  await measure(scenarioOf(), fake);
  assert.deepEqual(fake.asked, ['b', 'a', 'a', 'b', 'stop']);
  assert.deepEqual(fake.lines[0], { scenario: 's', row: 'r', round: 1, who: 'b', x: 1 });
});

test('fresh servers are ended after each measurement, and rounds can be fewer', async () => {
  const fake = fakes(() => ({}));
  await measure(scenarioOf({ fresh: true, rounds: 1 }), fake);
  assert.deepEqual(fake.asked, ['b', 'stop', 'a', 'stop', 'stop']);
});

test('a measurement that fails is told, and the others go on', async () => {
  const fake = fakes((who) => { if (who === 'b') throw new Error('gone'); return { x: 1 }; });
  await measure(scenarioOf(), fake);
  assert.deepEqual(fake.lines.map((l) => l.error), ['gone', undefined, undefined, 'gone']);
  assert.equal(broken(fake.lines).length, 2);
});

test('what is beside a measurement ends with it, also when it fails', async () => {
  for (const fails of [false, true]) {
    let ended = 0;
    const fake = fakes(() => { if (fails) throw new Error('gone'); return { x: 1 }; });
    const beside = async () => async () => { ended += 1; return { y: 2 }; };
    await measure({ name: 's', rounds: 1, rows: [{ name: 'r', contenders: [{ who: 'a', server: 'a', beside }] }] }, fake);
    assert.equal(ended, 1);
    assert.equal(fake.lines[0].y, fails ? undefined : 2);
  }
});

test('the words of a measurement', () => {
  const server = { url: 'redis://h:1', pids: [7, 8] };
  const words = benchWords(server, { mode: 'latency', args: { subs: 3, times: 2 } }, { args: { door: 'ws' } }, 1.5);
  assert.deepEqual(words, ['bench', 'latency', '--url', 'redis://h:1', '--subs', 3, '--door', 'ws', '--seconds', 3, '--pid', '7,8', '--json']);
});

test('figures are the line of JSON, or what the generator said instead', async () => {
  const node = (script) => figures([process.execPath, '-e', script], 10000);
  assert.deepEqual(await node('console.log("{\\"lost\\":2}"); process.exitCode = 1'), { lost: 2 });
  await assert.rejects(node('console.error("no such host"); process.exitCode = 3'), /ended with 3: no such host/);
  await assert.rejects(figures([process.execPath, '-e', 'setInterval(() => {}, 1000)'], 100), /not within 100 ms/);
});

const goal = { what: 'w', scenario: 's', row: 'r', who: 'ours', key: 'x', against: 'theirs', bound: 'most', gate: 0.8, goal: 0.5 };
const verdictOf = (ours, more = {}) => verdict([line(1, 'ours', { x: ours }), line(1, 'theirs', { x: 10 })], { ...goal, ...more }).meets;
test('a median meets the goal, the gate, or misses', () => {
  assert.equal(verdictOf(5), 'goal');
  assert.equal(verdictOf(5.1), 'gate');
  assert.equal(verdictOf(8), 'gate');
  assert.equal(verdictOf(8.1), 'MISSED');
  assert.equal(verdictOf(25, { bound: 'least', gate: 1.2, goal: 2.5 }), 'goal');
  assert.equal(verdictOf(11, { bound: 'least', gate: 1.2, goal: 2.5 }), 'MISSED');
  assert.equal(verdict([line(1, 'ours', { error: 'gone' })], goal).meets, 'MISSED');
  assert.equal(verdictOf(4000, { against: undefined, scale: 1e-3, gate: 10, goal: 5 }), 'goal');
});

test('only what was measured is judged', () => {
  assert.deepEqual(verdicts([]), []);
  assert.ok(verdicts([{ scenario: 'pairs' }]).every((v) => v.meets === 'MISSED'));
});

test('a node that counts something else is told', () => {
  const counts = [{ delivered: 3, server_delivered: 3 }, { delivered: 3, server_delivered: 4 }, { delivered: 1 },
    { delivered: 3, server_delivered: 4, slow_waiting_bytes: 9 }];
  assert.deepEqual(agreement(counts), { of: 2, agree: 1 });
});

test('every goal is about a contender that is measured', () => {
  for (const g of goals) {
    const row = scenarios.find((s) => s.name === g.scenario)?.rows.find((r) => r.name === g.row);
    for (const who of [g.who, g.against ?? []].flat(2)) {
      assert.ok(row?.contenders.some((c) => c.who === who), `${g.what}: ${who}`);
    }
  }
});

test('a figure shows its spread, and losses are told', () => {
  assert.equal(show({ median: 1.234, least: 1, greatest: 2 }, 1), '1.2 (1.0 to 2.0)');
  assert.equal(show({ median: 5, least: 5, greatest: 5 }), '5');
  assert.equal(show(null), '-');
  assert.equal(losses([{ lost: 0, disorder: 0 }, {}]), '0');
  assert.equal(losses([{ lost: 2 }, { lost: 1, disorder: 4 }, { error: 'x' }]), '**3 lost, 4 out of order, 1 failed**');
  assert.equal(table(['a', 'b'], [[1, 2]]), '| a | b |\n|---|---|\n| 1 | 2 |');
});

test('a table goes between its markers and nowhere else', () => {
  const page = 'x\n<!-- bench:a -->\nold\n<!-- /bench:a -->\ny <!-- bench:b --> z <!-- /bench:b -->';
  const once = write(page, 'a', 'new\n');
  assert.equal(once, 'x\n<!-- bench:a -->\nnew\n<!-- /bench:a -->\ny <!-- bench:b --> z <!-- /bench:b -->');
  assert.equal(write(once, 'a', 'new'), once);
  assert.throws(() => write(page, 'c', ''), /no place for c/);
});

test('every scenario has tables, also of nothing, and a place in the page', () => {
  let page = fs.readFileSync(new URL('../../docs/BENCHMARKS.md', import.meta.url), 'utf8');
  for (const { name } of scenarios) {
    const text = tablesOf([], name);
    assert.match(text, /^### /);
    assert.doesNotMatch(text, /undefined|NaN/);
    page = write(page, name, text);
  }
  write(page, 'gates', '');
});

test('plots are drawn of what there is', () => {
  const folder = temporaryFolder();
  const measured = (scenario, row, who, more) => ({ scenario, row, who, round: 1, ...more });
  const lines = [measured('fanout', '1-64', 'one', { cpu_ns_per_delivery: 400 }),
    measured('fanout', '1000-64', 'one', { cpu_ns_per_delivery: 40 }),
    measured('latency', '10k', 'ab', { p50_us: 50, p99_us: 900 })];
  assert.deepEqual(draw(lines, 'fanout', folder), ['bench-fanout.svg']);
  assert.deepEqual(draw(lines, 'latency', folder), ['bench-latency.svg']);
  assert.deepEqual(draw(lines, 'curves', folder), []);
  assert.doesNotMatch(fs.readFileSync(path.join(folder, 'bench-fanout.svg'), 'utf8'), /NaN|undefined/);
});

test('axes hold what they are made for', () => {
  assert.deepEqual(roundAxis(430), { from: 0, to: 500, step: 100 });
  assert.deepEqual(axis({ from: 0, to: 0.3, step: 0.1 }).ticks, [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(decadeAxis([12, 430]), { decades: [10, 100, 1000] });
  assert.deepEqual(decadeAxis([1]), { decades: [1, 10] });
  assert.equal(axis({ decades: [1, 10, 100] }).at(10), 0.5);
});
