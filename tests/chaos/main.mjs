// SPDX-License-Identifier: Apache-2.0
//
// Breaks a cluster of real processes in every way it knows, one scenario after
// the other, and prints what `starling verify` saw meanwhile. Started by
// tests/chaos/run, which finds out what this machine allows.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { clients } from './clients.mjs';
import { links } from './links.mjs';
import { processes } from './processes.mjs';
import { upgrades } from './upgrades.mjs';
import { Trial } from './trial.mjs';
import { hasWire } from './world.mjs';

const all = [...processes, ...links, ...clients, ...upgrades].sort((a, b) => a.id - b.id);
const columns = ['#', 'what was done', 'delivered', 'told', 'untold', 'cannot be told', 'duplicate', 'disorder',
  'lost after ack', 'measured', 'verdict'];
const row = (cells) => console.log(`| ${cells.join(' | ')} |`);

function usage() {
  console.error(`usage: tests/chaos/run [--full] [--times report] [--seed N] [SCENARIO...|all|selection|list]
  --full          3,006 clients and 20,000 items a second, and the long times of each scenario
  --times report  times are printed, and none fails a scenario: for machines that are busy
  --seed N        of the losses and jitters of the wire (1)`);
  process.exit(2);
}

function read(words) {
  const options = { full: false, times: true, seed: 1 };
  const wanted = [];
  for (let i = 0; i < words.length; i += 1) {
    if (words[i] === '--full') options.full = true;
    else if (words[i] === '--times' && words[i + 1] === 'report') { options.times = false; i += 1; }
    else if (words[i] === '--seed' && Number(words[i + 1])) { options.seed = Number(words[i + 1]); i += 1; }
    else wanted.push(words[i]);
  }
  const chosen = wanted.length === 0 || wanted.includes('all') ? all
    : wanted.includes('selection') ? all.filter((scenario) => scenario.selected)
      : all.filter((scenario) => wanted.includes(String(scenario.id)) || wanted.includes(scenario.name));
  if (wanted.includes('list')) {
    for (const scenario of all) console.log(`${scenario.id}\t${scenario.name}\t${scenario.what}`);
    process.exit(0);
  }
  const known = new Set(['all', 'selection', ...all.flatMap((scenario) => [String(scenario.id), scenario.name])]);
  if (wanted.some((word) => !known.has(word))) usage();
  return { options, chosen };
}

async function tryOne(scenario, options) {
  if (scenario.needsWire && !hasWire) {
    row([scenario.id, scenario.what, ...Array(8).fill('-'), 'skipped: needs network namespaces']);
    return [];
  }
  const started = performance.now();
  const trial = new Trial(scenario, options);
  await trial.run();
  const { delivered, told, untold, cannot, duplicate, disorder, lost } = trial.sums;
  row([scenario.id, scenario.what, delivered, told, untold, cannot, duplicate, disorder, lost,
    [...trial.facts, `took ${Math.round((performance.now() - started) / 1000)} s`].join('; '),
    trial.problems.length ? `**${trial.problems.length} broken**` : 'ok']);
  const sentences = [...new Set(trial.problems)].map((problem) => `${scenario.id} ${scenario.name}: ${problem}`);
  for (const sentence of sentences) console.error(`chaos: ${sentence}`);
  if (sentences.length) keepLogs(trial);
  return sentences;
}

// What the nodes of a broken scenario said, for who looks into it.
function keepLogs(trial) {
  const folder = process.env.CHAOS_LOGS;
  for (const member of folder && trial.world ? trial.world.members : []) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, `${trial.scenario.id}-${member.name}.log`), member.log);
  }
}

const { options, chosen } = read(process.argv.slice(2));
options.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'starling-chaos-'));
process.on('exit', () => fs.rmSync(options.folder, { recursive: true, force: true }));
console.log(`# ${process.env.CHAOS_HOW}; ${os.cpus().length} processors, load ${os.loadavg()[0].toFixed(1)}; ` +
  `${options.full ? '3,006 clients, 20,000 items/s' : '72 clients, 900 items/s'} with three nodes`);
row(columns);
row(columns.map(() => '---'));
const broken = [];
for (const scenario of chosen) broken.push(...await tryOne(scenario, options));
console.log(broken.length ? broken.map((sentence) => `broken: ${sentence}`).join('\n') : 'invariants: ok');
process.exit(broken.length ? 1 : 0);
