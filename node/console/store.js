// SPDX-License-Identifier: Apache-2.0
//
// The last minute of the cluster: what its nodes report once a second, summed
// up. Everything here has a bound, however long the page stays open.

export const SECONDS = 60;
const NODES_MAX = 1024;
const TOPICS_MAX = 200;
const SILENT_MS = 2600; // two reports missed
const CURRENT_MS = 1800; // so old a report is still of this second: nodes do not tick with us
const GONE_MS = 120000; // then a node that nobody lists is forgotten

// Upper bounds of the latency buckets in us; the last bucket has none.
export const BOUNDS = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000,
  100000, 200000, 500000, 1000000, 2000000, 5000000];
export const CLASSES = ['local', 'region', 'far'];

const emptyCounts = () => new Array(BOUNDS.length + 1).fill(0);
const number = (value) => (Number.isFinite(value) && value > 0 ? value : 0);

// Numbers of the last minute, newest last.
class Series {
  constructor(length = SECONDS) {
    this.values = new Array(length).fill(null); // null: not known
  }

  push(value) {
    this.values.push(value);
    this.values.shift();
  }

  // The newest that is known, of the last few.
  get last() {
    return this.values.slice(-3).findLast((value) => value !== null) ?? null;
  }
}

// Within a bucket the times are taken as spread evenly.
export function percentile(counts, part) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  let before = 0;
  for (let i = 0; i < counts.length; i += 1) {
    if (before + counts[i] >= total * part) {
      const low = i === 0 ? 0 : BOUNDS[i - 1];
      const high = i < BOUNDS.length ? BOUNDS[i] : low * 2;
      return low + ((high - low) * (total * part - before)) / counts[i];
    }
    before += counts[i];
  }
  return BOUNDS[BOUNDS.length - 1];
}

// A report is what a node of ours wrote, but perhaps one of another version:
// what is missing is nothing, never a failure of the page.
function checked(report) {
  const texts = ['id', 'name', 'region'];
  if (!report || texts.some((name) => typeof report[name] !== 'string')) return null;
  const some = { ...report };
  for (const name of ['in', 'out', 'dropped', 'latency', 'doors']) some[name] = Object(report[name]);
  for (const name of ['links', 'hot', 'slow']) some[name] = Array.isArray(report[name]) ? report[name] : [];
  return some;
}

export class Store {
  constructor() {
    this.nodes = new Map(); // id -> what is known of it
    this.topics = new Map(); // cache and topic -> its minute
    this.series = Object.fromEntries(
      ['in', 'out', 'clients', 'subscriptions', 'dropped', 'p50', 'p99', 'churn'].map((name) => [name, new Series()]));
    this.latency = CLASSES.map(() => Array.from({ length: SECONDS }, emptyCounts));
    this.endpoints = new Map(); // id -> endpoint, of nodes that are not listed
    this.reported = false; // whether any report ever came
  }

  node(id, now) {
    let node = this.nodes.get(id);
    if (!node) {
      if (this.nodes.size >= NODES_MAX) return null;
      node = { id, name: id.slice(0, 8), region: '', endpoint: '', version: '', member: null, report: null,
        reportAt: 0, listedAt: now };
      this.nodes.set(id, node);
    }
    return node;
  }

  takeReport(given, now) {
    const report = checked(given);
    const node = report && this.node(report.id, now);
    if (!node) return;
    const { name, region, endpoint, version } = report;
    Object.assign(node, { name, region, version, report, reportAt: now });
    if (endpoint) node.endpoint = endpoint;
    this.reported = true;
  }

  takeMembers(members, now) {
    for (const member of members) {
      const node = this.node(member.id, now);
      if (!node) continue;
      const { name, region, version, endpoint } = member;
      Object.assign(node, { name, region, version, member, listedAt: now });
      if (endpoint) node.endpoint = endpoint;
    }
    const listed = new Set(members.map((member) => member.id));
    for (const node of this.nodes.values()) if (!listed.has(node.id)) node.member = null;
  }

  // Of a token without admin:read: where clients may connect, and no more.
  takeRegions(regions, now) {
    this.takeMembers(regions.flatMap((region) => region.endpoints.map((endpoint) => ({
      id: endpoint, name: new URL(endpoint).host, region: region.name, endpoint, state: 'alive', linked: true,
    }))), now);
  }

  // Who may not list the nodes knows them by endpoint, and learns an id when an
  // item comes back that was sent there.
  learn(id, endpoint) {
    if (!this.nodes.has(id) && this.endpoints.size < NODES_MAX) this.endpoints.set(id, endpoint);
  }

  nodeOf(id) {
    return this.nodes.get(id) || this.nodes.get(this.endpoints.get(id)) || null;
  }

  // Once a second: what came since is one more column of the minute.
  tick(now) {
    const fresh = [...this.nodes.values()].filter((node) => node.report && now - node.reportAt < CURRENT_MS);
    const total = (pick) => fresh.reduce((sum, node) => sum + number(pick(node.report)), 0);
    const perSecond = (node) => 1000 / (node.report.every_ms || 1000);
    const rated = (pick) => fresh.reduce((sum, node) => sum + number(pick(node.report)) * perSecond(node), 0);
    this.forget(now);
    const columns = this.tickLatency(fresh);
    const all = emptyCounts().map((_, i) => columns.reduce((sum, counts) => sum + counts[i], 0));
    const now60 = {
      in: rated((r) => r.in.items), out: rated((r) => r.out.items),
      clients: total((r) => r.clients), subscriptions: total((r) => r.subscriptions),
      dropped: rated((r) => number(r.dropped.slow) + number(r.dropped.link)),
      churn: rated((r) => number(r.opened) + number(r.closed)),
      p50: percentile(all, 0.5), p99: percentile(all, 0.99),
    };
    for (const [name, series] of Object.entries(this.series)) series.push(fresh.length > 0 ? now60[name] : null);
    this.tickTopics(fresh);
  }

  tickLatency(fresh) {
    return CLASSES.map((name, at) => {
      const counts = emptyCounts();
      for (const node of fresh) {
        const from = node.report.latency[name] || [];
        for (let i = 0; i < counts.length; i += 1) counts[i] += number(from[i]);
      }
      this.latency[at].push(counts);
      this.latency[at].shift();
      return counts;
    });
  }

  tickTopics(fresh) {
    const seen = new Map();
    for (const node of fresh) {
      for (const hot of node.report.hot) {
        const key = `${hot.cache}\n${hot.topic}`;
        const sum = seen.get(key) || { in: 0, out: 0, nodes: [] };
        sum.in += number(hot.in);
        sum.out += number(hot.out);
        if (hot.subs > 0) sum.nodes.push([node.name, hot.subs]);
        seen.set(key, sum);
        if (!this.topics.has(key) && this.topics.size < TOPICS_MAX) {
          this.topics.set(key, { key, cache: String(hot.cache), topic: String(hot.topic), series: new Series() });
        }
      }
    }
    for (const [key, topic] of this.topics) {
      const sum = seen.get(key) || { in: 0, out: 0, nodes: seen.size > 0 ? [] : topic.nodes };
      Object.assign(topic, sum);
      topic.nodes.sort((a, b) => (a[0] < b[0] ? -1 : 1));
      topic.series.push(sum.in + sum.out);
      if (topic.series.values.every((value) => !value) && !seen.has(key)) this.topics.delete(key);
    }
  }

  // A node that nobody lists, and that says nothing, is no part of the map.
  // One that was started anew takes the place of the dead one of its name.
  forget(now) {
    const living = new Set();
    for (const node of this.nodes.values()) {
      if (this.stateOf(node, now) === 'up') living.add(`${node.region}\n${node.name}`);
    }
    for (const [id, node] of this.nodes) {
      const state = this.stateOf(node, now);
      const old = !node.member && now - Math.max(node.reportAt, node.listedAt) > GONE_MS;
      const replaced = state !== 'up' && state !== 'draining' && living.has(`${node.region}\n${node.name}`);
      if (old || replaced || state === 'left') this.nodes.delete(id);
    }
  }

  // up, joining, draining, suspect, silent, dead or left.
  stateOf(node, now) {
    const listed = node.member ? node.member.state : '';
    const quiet = node.report !== null && now - node.reportAt > SILENT_MS;
    if (listed === 'left') return 'left';
    if (listed === 'dead' || (!node.member && quiet)) return 'dead';
    if (listed === 'suspect') return 'suspect';
    if (quiet && this.isFed(now)) return 'silent';
    const about = quiet || !node.report ? node.member : node.report;
    if (about && about.draining) return 'draining';
    return about && about.ready === false ? 'joining' : 'up';
  }

  // Whether reports come at all; without, silence says nothing of a node.
  isFed(now) {
    for (const node of this.nodes.values()) if (now - node.reportAt < SILENT_MS) return true;
    return false;
  }

  // Of several lives with one name the newest that lives, or lived.
  all(now) {
    const byName = new Map();
    for (const node of this.nodes.values()) {
      const key = `${node.region}\n${node.name}`;
      const state = this.stateOf(node, now);
      const other = byName.get(key);
      const better = !other || (state !== 'dead') > (other.state !== 'dead') ||
        ((state === 'dead') === (other.state === 'dead') && node.reportAt > other.reportAt);
      if (better) byName.set(key, { ...node, state });
    }
    return [...byName.values()].sort((a, b) => (a.region === b.region ? 0 : a.region < b.region ? -1 : 1) ||
      a.name.localeCompare(b.name, 'en', { numeric: true }));
  }

  // Every pair of nodes once, with what each of the two says of its link.
  pairs(nodes) {
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const found = new Map();
    for (const from of nodes) {
      for (const to of this.linksOf(from)) {
        const other = byId.get(to.id);
        if (!other || other === from) continue;
        const [a, b] = from.id < other.id ? [from, other] : [other, from];
        const key = `${a.id} ${b.id}`;
        const pair = found.get(key) || { key, a, b, up: true, there: null, back: null };
        pair[from === a ? 'there' : 'back'] = to;
        if (!to.up) pair.up = false;
        found.set(key, pair);
      }
    }
    for (const pair of found.values()) {
      if ([pair.a, pair.b].some((node) => ['dead', 'silent'].includes(node.state))) pair.up = false;
    }
    return [...found.values()];
  }

  // Without reports of its own the members list says what the asked node sees.
  linksOf(node) {
    if (node.report) return ['dead', 'silent'].includes(node.state) ? [] : node.report.links;
    if (!node.member || !node.member.self) return [];
    return [...this.nodes.values()].filter((other) => other.member && !other.member.self)
      .map(({ id, member }) => ({ id, up: member.linked, rtt_us: member.rtt_us, items: 0, queue: 0, queue_limit: 0 }));
  }

  slow(now) {
    const all = [];
    for (const node of this.nodes.values()) {
      if (!node.report || now - node.reportAt > SILENT_MS) continue;
      for (const client of node.report.slow) all.push({ ...client, node: node.name });
    }
    return all.sort((a, b) => b.queue - a.queue).slice(0, 20);
  }

  hottest(most) {
    return [...this.topics.values()]
      .map((topic) => ({ ...topic, weight: topic.series.values.slice(-5).reduce((sum, n) => sum + n, 0) }))
      .sort((a, b) => b.weight - a.weight || (a.key < b.key ? -1 : 1)).slice(0, most);
  }
}
