// SPDX-License-Identifier: Apache-2.0
//
// The nodes in words: the one that was chosen on the map, and all as a table.
import { $, el, keyed, setAttr, setText, show } from './dom.js';
import { bytes, count, ms, rate, span } from './format.js';

const COLUMNS = ['Node', 'Region', 'State', 'Clients', 'In', 'Out', 'CPU', 'Memory', 'Links', 'Version'];
const NUMBERS = new Set(['Clients', 'In', 'Out', 'CPU', 'Memory', 'Links']);

const linksOf = (report) => {
  const wanted = report.links.filter((link) => link.state !== 'dead');
  return `${wanted.filter((link) => link.up).length}/${wanted.length}`;
};

function cells(node) {
  const report = ['dead', 'silent'].includes(node.state) ? null : node.report;
  const about = report ? [count(report.clients), rate(report.in.items), rate(report.out.items),
    `${((report.cpu_permille || 0) / 10).toFixed(1)} %`, bytes(report.rss), linksOf(report)]
    : ['', '', '', '', '', ''];
  return [node.name, node.region, node.state, ...about, node.version];
}

export class Nodes {
  constructor(onClose) {
    this.body = $('nodes-table').tBodies[0];
    $('nodes-table').tHead.append(el('tr', {}, ...COLUMNS.map((name) =>
      el('th', { scope: 'col', class: NUMBERS.has(name) ? 'n' : null }, name))));
    $('chosen-close').addEventListener('click', onClose);
  }

  draw(nodes, chosen) {
    if ($('nodes-all').open) this.drawTable(nodes);
    const node = nodes.find((one) => one.id === chosen);
    show($('chosen'), Boolean(node));
    if (node) this.drawChosen(node);
  }

  drawTable(nodes) {
    keyed(this.body, nodes, (node) => node.id,
      () => el('tr', {}, ...COLUMNS.map((name) => el('td', { class: NUMBERS.has(name) ? 'n' : null }))),
      (row, node) => cells(node).forEach((text, i) => {
        setText(row.children[i], text);
        if (i === 2) setAttr(row.children[i], 'class', node.state === 'up' ? 'good' : 'bad');
      }));
  }

  drawChosen(node) {
    const { report } = node;
    setText($('chosen-name'), `${node.name} · ${node.region} · ${node.state}`);
    const doors = report ? Object.entries(report.doors).map(([door, n]) => `${door} ${count(n)}`).join(' · ') : '';
    const facts = !report ? [['Version', node.version], ['Endpoint', node.endpoint]] : [
      ['Clients', `${count(report.clients)}${doors ? ` (${doors})` : ''}`],
      ['Subscriptions', `${count(report.subscriptions)} on ${count(report.topics)} topics`],
      ['Now', `${rate(report.in.items)} in · ${rate(report.out.items)} out`],
      ['Processor', `${((report.cpu_permille || 0) / 10).toFixed(1)} % · loop lag ${ms((report.loop_lag_ms || 0) * 1000)}`],
      ['Memory', `${bytes(report.rss)} · waiting ${bytes(report.queue)}`],
      ['Version', `${report.version} · up ${span(report.uptime_ms)}`],
      ['Endpoint', node.endpoint],
      ...(report.why ? [['Not ready', report.why]] : []),
      ...report.links.slice(0, 12).map((link) => [`→ ${link.name}`, link.up
        ? `${rate(link.items)} · ${ms(link.rtt_us || 0)} · queue ${bytes(link.queue)}${link.dropped ? ` · ✕ ${count(link.dropped)} dropped` : ''}`
        : `✕ ${link.state}`]),
    ];
    keyed($('chosen-facts'), facts, ([name]) => name,
      () => el('div', {}, el('dt'), el('dd')), (row, [name, text]) => {
        setText(row.children[0], name);
        setText(row.children[1], text || '–');
      });
  }
}
