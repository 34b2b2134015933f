// SPDX-License-Identifier: Apache-2.0
//
// The command line of tests/bench/run, which has installed and built everything.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { benchFor } from './generator.mjs';
import { agreement, broken, verdicts } from './goals.mjs';
import { sentence, surroundings } from './machine.mjs';
import { draw, tablesOf } from './report.mjs';
import { measure } from './rounds.mjs';
import { named, scenarios } from './scenarios.mjs';
import { Fleet } from './servers.mjs';
import { brokenList, verdictTable, write } from './tables.mjs';

const PAGE = 'docs/BENCHMARKS.md';
const IMAGES = 'docs/img';
const all = scenarios.map((s) => s.name);
const usage = `usage: tests/bench/run [--write] [--from FILE] [SCENARIO...|all]
scenarios: ${all.join(' ')}
  --write      the tables into ${PAGE}, the plots into ${IMAGES}
  --from FILE  measures nothing: of the lines that RAW kept
environment: ROUNDS=5 SECONDS_EACH=0.6 RAW=build/bench.jsonl (every line of JSON)`;

function refuse(why) {
  console.error(`tests/bench/run: ${why}\n${usage}`);
  process.exit(2);
}

function parse() {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true,
      options: { write: { type: 'boolean' }, from: { type: 'string' }, help: { type: 'boolean' } } });
    const wanted = positionals.length === 0 || positionals.includes('all') ? all : positionals;
    const unknown = wanted.find((name) => !named(name));
    return unknown ? refuse(`no scenario ${unknown}`) : { ...values, wanted };
  } catch (error) {
    return refuse(error.message);
  }
}

function positive(name, value) {
  const number = Number(process.env[name] ?? value);
  return number > 0 ? number : refuse(`${name} is no number above 0`);
}

// The figures of a line that is there to be looked at while it runs.
const shown = { cpu_ns_per_delivery: ' ns', deliveries_per_s: '/s', p50_us: ' µs p50', p99_us: ' µs p99',
  rss_bytes_each: ' B each', connects_per_s: ' connects/s', cpu_percent: ' % CPU', lost: ' lost', disorder: ' out of order' };
function progress(line) {
  const figures = Object.entries(shown).filter(([key]) => line[key] > 0)
    .map(([key, unit]) => `${Number(line[key].toPrecision(4))}${unit}`);
  return `  ${line.round} ${line.scenario} ${line.row} ${line.who}: ${line.error ?? figures.join(', ')}`;
}

// { head: the surroundings, lines: of measurements }. Each is kept at once, so
// that a run which is interrupted was not for nothing.
async function run(wanted) {
  const raw = process.env.RAW || 'build/bench.jsonl';
  const [rounds, seconds] = [positive('ROUNDS', 5), positive('SECONDS_EACH', 0.6)];
  const what = wanted.length === all.length ? 'all' : wanted.join(' ');
  const head = { ...surroundings(), wanted, command: `ROUNDS=${rounds} SECONDS_EACH=${seconds} tests/bench/run ${what}` };
  const lines = [];
  fs.writeFileSync(raw, `${JSON.stringify(head)}\n`);
  const record = (line) => {
    lines.push(line);
    fs.appendFileSync(raw, `${JSON.stringify(line)}\n`);
    console.error(progress(line));
  };
  for (const name of wanted) {
    const began = Date.now();
    await measure(named(name), { rounds, fleet: new Fleet(), bench: benchFor(seconds), record });
    console.error(`== ${name}: ${Math.round((Date.now() - began) / 1000)} s`);
  }
  return { head, lines };
}

function read(file) {
  const [head, ...lines] = fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  return { head, lines };
}

function report({ head, lines }, toPage) {
  const judged = verdicts(lines);
  const bad = broken(lines);
  const lost = bad.length ? `Lost, out of order, twice or failed:\n\n${brokenList(lines)}`
    : `Lost, out of order or twice: 0 in ${lines.length} measurements.`;
  const { agree, of } = agreement(lines);
  const gates = `${verdictTable(judged)}\n\n${lost}\n\nOf ${of} measurements of Starling the node's own counter `
    + `of deliveries says the same as the generator in ${agree}.`;
  const sections = head.wanted.map((name) => [name, tablesOf(lines, name)]);
  console.log([sentence(head), ...sections.map(([, text]) => text), gates].join('\n\n'));
  if (toPage) {
    const whole = head.wanted.length === all.length; // then the first table says where and when
    let page = fs.readFileSync(PAGE, 'utf8');
    for (const [name, text] of sections) page = write(page, name, whole ? text : `${text}\n\n${sentence(head)}`);
    if (whole) page = write(page, 'gates', `${sentence(head)}\n\n${gates}`);
    fs.writeFileSync(PAGE, page);
    for (const name of head.wanted) draw(lines, name, IMAGES);
  }
  return bad.length === 0 && judged.every((v) => v.meets !== 'MISSED');
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));
const options = parse();
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const measured = options.from ? read(options.from) : await run(options.wanted);
process.exit(report(measured, options.write) ? 0 : 1);
