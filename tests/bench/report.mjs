// SPDX-License-Identifier: Apache-2.0
//
// The tables of each scenario and the plots, from lines alone.
import { spread, valuesOf } from './rounds.mjs';
import { figure, losses, ratio, table } from './tables.mjs';
import * as svg from '../svg.mjs';

const cpu = 'cpu_ns_per_delivery';
const rate = 'deliveries_per_s';
const million = { scale: 1e-6, digits: 2 };
const names = { redis: 'redis', nats: 'nats', nats2: 'nats x2', one: 'Starling', ab: 'Starling A to B', mosquitto: 'mosquitto' };
const size = (bytes) => (bytes === 1024 ? '1 KiB' : `${bytes} B`);

// What a table shows of its scenario: figure(row, who, key), ratio(row, who, key, other).
function within(lines, scenario) {
  const of = lines.filter((l) => l.scenario === scenario);
  return {
    figure: (row, who, key, options) => figure(of, { scenario, row, who }, key, options),
    ratio: (row, who, key, other) => ratio(of, { scenario, row, who }, key, other),
    median: (row, who, key) => spread(valuesOf(of, { scenario, row, who }, key))?.median,
    losses: (row) => losses(row === undefined ? of : of.filter((l) => l.row === row)),
  };
}
const heading = (text, body, caption) => `### ${text}\n\n${body}${caption ? `\n\n${caption}` : ''}`;
const unlike = 'Beside nats: its text protocol against our RESP, which answers every publish; nats answers none.';

// Rows ['1-64', 'label'...] of CPU and of deliveries, for ours and the others.
function costTables(in_, title, labels, rows, ours, others) {
  const head = others.map((who) => names[who]);
  return [
    heading(`${title}: server CPU, ns a delivery`, table(
      [...labels, ...head, names[ours], ...head.map((name) => `to ${name}`)],
      rows.map(([row, ...cells]) => [...cells, ...[...others, ours].map((who) => in_.figure(row, who, cpu)),
        ...others.map((who) => in_.ratio(row, ours, cpu, who))])), unlike),
    heading(`${title}: million deliveries a second`, table(
      [...labels, ...head, names[ours], ...head.map((name) => `to ${name}`), 'lost, out of order'],
      rows.map(([row, ...cells]) => [...cells, ...[...others, ours].map((who) => in_.figure(row, who, rate, million)),
        ...others.map((who) => in_.ratio(row, ours, rate, who)), in_.losses(row)])), unlike),
  ].join('\n\n');
}

const fanoutRows = (counts, sizes) => sizes.flatMap((bytes) => counts.map((n) => [`${n}-${bytes}`, n, size(bytes)]));
const latencyTable = (in_, row, contenders) => table(['', 'p50, µs', 'p99, µs', 'p99.9, µs', 'lost, out of order'],
  contenders.map(([who, label]) => [label, ...['p50_us', 'p99_us', 'p999_us'].map((key) => in_.figure(row, who, key)),
    in_.losses(row)]));

const tables = {
  fanout: (in_) => costTables(in_, 'Fan-out', ['1 to', 'value'], fanoutRows([1, 10, 100, 1000], [64, 1024]),
    'one', ['redis', 'nats']),
  pairs: (in_) => costTables(in_, 'Many publishers', ['64 B'],
    [['pairs', '100 pairs'], ['fanin', '100 to 1']], 'one', ['redis', 'nats']),
  cluster: (in_) => costTables(in_, 'From node A to node B', ['', 'value'],
    [...fanoutRows([1, 100], [64, 1024]).map(([row, n, s]) => [row, `1 to ${n}`, s]), ['pairs', '100 pairs', '64 B']],
    'ab', ['nats2']),
  latency: (in_) => heading('Latency, 1 to 1, 10,000 items a second', latencyTable(in_, '10k',
    ['redis', 'nats', 'one', 'nats2', 'ab'].map((who) => [who, names[who]])), unlike),
  doors: (in_) => heading('WebSocket, SSE and gRPC beside RESP: server CPU, ns a delivery of 64 B', table(
    ['1 to', 'RESP', 'WebSocket', 'SSE', 'gRPC', 'WebSocket to RESP', 'SSE to RESP', 'gRPC to RESP',
      'lost, out of order'],
    [1, 10, 100, 1000].map((n) => [n, ...['resp', 'ws', 'sse', 'grpc'].map((who) => in_.figure(`${n}-64`, who, cpu)),
      ...['ws', 'sse', 'grpc'].map((who) => in_.ratio(`${n}-64`, who, cpu, 'resp')), in_.losses(`${n}-64`)])),
    'Published and subscribed through the same door: to WebSocket as msgpack, not answered; beside SSE each item is a POST '
      + 'that is answered; to gRPC by RESP, a stream a connection.'),
  connections: (in_) => heading('10,000 idle connections with a subscription each', table(
    ['', 'resident bytes each', 'resident, MB', 'connects with subscribe/s', 'CPU while idle, %'],
    ['redis', 'nats', 'mosquitto', 'one'].map((who) => [names[who], in_.figure('10000', who, 'rss_bytes_each'),
      in_.figure('10000', who, 'rss_bytes', { scale: 1e-6, digits: 1 }), in_.figure('10000', who, 'connects_per_s'),
      in_.figure('10000', who, 'cpu_percent', { digits: 2 })]))),
  churn: (in_) => heading('Subscribe, and publish on the other node once it is acknowledged', table(
    ['', '', 'subscribes/s', 'to acknowledged: p50, µs', 'p99, µs', 'CPU of all, µs each', 'lost'],
    [['10k', '10,000/s on 256 connections'], ['single', 'one at a time'], ['storm', '64 at once, as fast as acknowledged']]
      .flatMap(([row, label]) => ['redis', 'one', 'ab'].map((who) => [label, names[who],
        in_.figure(row, who, 'publishes_per_s'), in_.figure(row, who, 'p50_us'), in_.figure(row, who, 'p99_us'),
        in_.figure(row, who, cpu, { scale: 1e-3, digits: 1 }), in_.losses(row)])))),
  scaling: (in_) => heading('Many topics, many clients: server CPU, ns a delivery', table(
    ['', 'CPU', 'ratio', 'to', 'failed'],
    [['topics', '1', '1 topic, 1 subscriber'],
      ['topics', '1M', '1,000,000 topics over 10,000 connections, those of a connection in turn', '1', '1 topic'],
      ['scattered', '64', '64 topics over 64 connections'],
      ['scattered', '1M', '1,000,000 topics over 10,000 connections, another connection each time', '64', '64 connections'],
      ['scattered', 'redis', 'redis, the same'],
      ['clients', '1 client', '1 client on 1,000 topics'],
      ['clients', '1,000 clients', '1,000 clients on a topic each'],
      ['clients', '1 topic', '1,000 clients on 1 topic, an item a turn']]
      .map(([row, who, label, other, to]) => [label, in_.figure(row, who, cpu),
        other ? in_.ratio(row, who, cpu, other) : '', to ?? '', in_.losses(row)])),
  '64 items in a turn but for the last row, so that compared rows make as many system calls (`tests/bench/scaling`).'),
  slow: (in_) => heading('999 readers beside one that stands still, 100 items a second', table(
    ['', 'p50, µs', 'p99, µs', 'p99, ratio', 'waiting for it, bytes', 'lost, out of order'],
    [['without', 'without it'], ['with', 'with it']].map(([who, label]) => [label,
      in_.figure('999', who, 'p50_us'), in_.figure('999', who, 'p99_us'),
      who === 'with' ? in_.ratio('999', 'with', 'p99_us', 'without') : '',
      in_.figure('999', who, 'slow_waiting_bytes'), in_.losses('999')]))),
  curves: (in_) => [['subscribers of one topic', 'subs', [1, 10, 100, 1000, 10000]],
    ['topics with a subscriber each, 10,000 on a connection', 'topics', [1, 10, 100, 1000, 10000, 100000, 1000000]],
    ['nodes: published at the first, 100 subscribers at the last, CPU of all', 'nodes', [1, 2, 4, 8]]]
    .map(([label, kind, counts]) => heading(`What a delivery costs by the number of ${label}`, table(
      ['', ...counts.map((n) => n.toLocaleString('en'))],
      [['CPU, ns a delivery', ...counts.map((n) => in_.figure(`${kind}-${n}`, 'one', cpu))],
        ['million deliveries a second', ...counts.map((n) => in_.figure(`${kind}-${n}`, 'one', rate, million))],
        ['lost, out of order', ...counts.map((n) => in_.losses(`${kind}-${n}`))]]))).join('\n\n'),
  batches: (in_) => heading('1 to 100 by the items on their way: server CPU, ns a delivery', table(
    ['window', 'redis', 'nats', 'Starling', 'to redis', 'to nats', 'lost, out of order'],
    [1, 8, 64, 512].map((n) => [n, ...['redis', 'nats', 'one'].map((who) => in_.figure(`${n}`, who, cpu)),
      ...['redis', 'nats'].map((who) => in_.ratio(`${n}`, 'one', cpu, who)), in_.losses(`${n}`)]))),
  workers: (in_) => heading('One worker and two', table(
    ['64 B', '1: million/s', '2: million/s', 'ratio', '1: CPU, ns', '2: CPU, ns', 'ratio', 'lost, out of order'],
    [['100-64', '1 to 100'], ['1000-64', '1 to 1000'], ['pairs', '100 pairs']].map(([row, label]) => [label,
      in_.figure(row, '1', rate, million), in_.figure(row, '2', rate, million), in_.ratio(row, '2', rate, '1'),
      in_.figure(row, '1', cpu), in_.figure(row, '2', cpu), in_.ratio(row, '2', cpu, '1'), in_.losses(row)]))),
  budget: budgetTable,
};

// The whole, the pieces that were measured alone, and what is left.
function budgetTable(in_) {
  const [near, far] = ['one', 'ab'].map((who) => in_.median('5k', who, 'p50_us'));
  const [written, sealed, opened, read] = ['write_ns', 'seal_ns', 'open_ns', 'read_ns']
    .map((key) => in_.median('seal', 'tool', key) / 1000);
  const rest = far - near - written - sealed - opened - read;
  const line = (what, us) => [what, Number.isFinite(us) ? us.toFixed(1) : '-'];
  return heading('Where the time of one item from A to B goes (p50, 5,000/s)',
    table(['', 'µs'], [line('two client sockets, door, hub: all of one node alone', near),
      line('item and batch written on A', written), line('batch sealed on A', sealed),
      line('TCP from A to B, and the loop of B wakes: what is left', rest),
      line('batch opened on B', opened), line('batch and item read on B', read), line('measured, A to B', far)]),
    `With their spread: one node ${in_.figure('5k', 'one', 'p50_us')}, A to B ${in_.figure('5k', 'ab', 'p50_us')}, `
      + `redis ${in_.figure('5k', 'redis', 'p50_us')}. Measured alone: a link in a process without clients `
      + `${in_.figure('hop', 'tool', 'p50_us')}, waking a thread that sleeps ${in_.figure('wake', 'tool', 'p50_us')}.`);
}

export const tablesOf = (lines, scenario) => tables[scenario](within(lines, scenario));

// --- plots ---

const css = { one: 'a', ab: 'a', redis: 'b', nats: 'c', nats2: 'c' };
const marksOf = (in_, who, key, rows) => rows.map(([n, row]) => [n, in_.median(row, who, key)])
  .filter(([, v]) => v !== undefined && v > 0);

function fanoutPlot(lines, file) {
  const in_ = within(lines, 'fanout');
  const counts = [1, 10, 100, 1000];
  const series = ['redis', 'nats', 'one'].map((who) => ({ label: names[who], css: css[who],
    marks: marksOf(in_, who, cpu, counts.map((n) => [n, `${n}-64`])) }));
  const values = series.flatMap((s) => s.marks.map(([, v]) => v));
  if (values.length === 0) return false;
  svg.lines(file, { title: 'What a delivery of 64 B costs the server', unit: 'ns of CPU, median', xLabel: 'subscribers of the topic',
    x: { decades: counts }, y: svg.decadeAxis(values) }, series);
  return true;
}

function latencyPlot(lines, file) {
  const in_ = within(lines, 'latency');
  const rows = ['redis', 'nats', 'one', 'nats2', 'ab'].map((who) => ({ label: who === 'ab' ? 'Starling' : names[who],
    more: who === 'ab' ? 'A to B' : who === 'nats2' ? 'A to B' : 'one node', css: css[who],
    from: in_.median('10k', who, 'p50_us'), value: in_.median('10k', who, 'p99_us') })).filter((r) => r.from > 0);
  if (rows.length === 0) return false;
  svg.bars(file, { title: 'Latency at 10,000 items a second, 1 to 1', unit: 'µs: a bar goes from the median to 99 %',
    y: svg.decadeAxis(rows.flatMap((r) => [r.from * 0.7, r.value])) }, rows);
  return true;
}

function curvePlot(kind, counts, title, xLabel) {
  return (lines, file) => {
    const marks = marksOf(within(lines, 'curves'), 'one', cpu, counts.map((n) => [n, `${kind}-${n}`]));
    if (marks.length === 0) return false;
    svg.lines(file, { title, unit: 'ns of CPU a delivery of 64 B, median', xLabel, x: { decades: counts },
      y: svg.roundAxis(Math.max(...marks.map(([, v]) => v))) }, [{ label: 'Starling', css: 'a', marks }]);
    return true;
  };
}

// By scenario: [name of the file, draws it from the lines; false without figures].
const plots = {
  fanout: [['bench-fanout', fanoutPlot]],
  latency: [['bench-latency', latencyPlot]],
  curves: [
    ['bench-subscribers', curvePlot('subs', [1, 10, 100, 1000, 10000], 'The cost from 1 to 10,000 subscribers', 'subscribers of one topic')],
    ['bench-topics', curvePlot('topics', [1, 10, 100, 1000, 10000, 100000, 1000000], 'The cost from 1 to 1 M topics', 'topics with a subscriber each')],
    ['bench-nodes', curvePlot('nodes', [1, 2, 4, 8], 'The cost from 1 to 8 nodes', 'nodes; the CPU of all')],
  ],
};

// Draws what these lines hold, in folder; the names of the files.
export function draw(lines, scenario, folder) {
  return (plots[scenario] ?? []).filter(([name, plot]) => plot(lines, `${folder}/${name}.svg`)).map(([name]) => `${name}.svg`);
}
