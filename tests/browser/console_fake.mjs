// SPDX-License-Identifier: Apache-2.0
//
// A cluster that is only numbers, for the console: fifty nodes, hostile names,
// slow clients, thousands of topics. The page is the real one; only the module
// /starling.js and what the page asks of its node are played.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../node/console');
const types = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.svg': 'image/svg+xml' };
const policy = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const idOf = (i) => (i + 1).toString(16).padStart(16, '0');

// Runs in the page. Each call of beat() is one second of the cluster.
function play(model) {
  const subs = new Set();
  let seq = 0;
  const deliver = (cache, topic, value, more = {}) => {
    seq += 1;
    for (const sub of subs) {
      if (sub.cache !== cache || sub.topic !== topic) continue;
      sub.onItem?.({ cache, topic, value, seq, page: 7, at: Date.now(), origin: model.nodes[0].id, ...more });
    }
  };
  const linkOf = (node, other) => ({
    id: other.id, name: other.name, region: other.region, state: other.dead ? 'dead' : 'alive', up: !other.dead,
    rtt_us: other.region === node.region ? 380 : 21400, items: other.dead ? 0 : model.rate, bytes: 1000,
    queue: other.filling ? 5e6 : 0, queue_limit: 8e6, dropped: 0, clock_us: 0,
  });
  const reportOf = (node) => ({
    v: 1, id: node.id, name: node.name, region: node.region, endpoint: node.endpoint, version: '0.1.0', at: Date.now(),
    uptime_ms: 8123456, every_ms: 1000, ready: true, draining: Boolean(node.draining), why: '', clients: 40, conns: 50,
    subscriptions: 100, topics: 12, doors: { native: 20, resp: 12 }, in: { items: model.rate, bytes: 1e5 },
    out: { items: model.rate * 4, bytes: 1e6 }, dropped: { slow: 0, link: 0 }, opened: 2, closed: 1, cpu_permille: 80,
    rss: 31e6, loop_lag_ms: 1, queue: 2000, memory: 1e7, memory_limit: 1e8,
    links: model.nodes.filter((other) => other !== node).map((other) => linkOf(node, other)),
    hot: model.topics.map(([cache, topic], i) => ({ cache, topic, in: model.rate, out: model.rate * (9 - i), subs: 3 })),
    latency: { local: [1, 9, 40, 9, 1], region: [0, 0, 1, 30, 9], far: [0, 0, 0, 0, 0, 0, 2, 30, 9] },
    slow: node.slow || [],
  });
  globalThis.beat = () => {
    for (const node of model.nodes) if (!node.dead) deliver('_sys', 'stats', JSON.stringify(reportOf(node)));
  };
  globalThis.deliver = deliver;
  globalThis.model = model;
  setInterval(globalThis.beat, 1000);

  class Client {
    constructor({ endpoints }) {
      this.heard = {};
      this.node = model.nodes.find((node) => node.endpoint === endpoints[0]) || model.nodes[0];
      setTimeout(() => this.heard.state?.({
        state: 'open', endpoint: location.origin, node: this.node.name, region: this.node.region, error: null,
      }), 5);
    }

    on(name, act) { this.heard[name] = act; }

    subscribe(cache, topic, options) {
      const sub = { cache, topic, client: this, ...options };
      subs.add(sub);
      setTimeout(() => options.onState?.({ state: 'live', error: null }), 5);
      return { close() { subs.delete(sub); } };
    }

    async publish(cache, topic, value, { id }) {
      deliver(cache, topic, value, { id, origin: this.node.id, publisher: model.publisher });
      return { subscriptions: 1, nodes: 2, partial: false };
    }

    close() { for (const sub of [...subs]) if (sub.client === this) subs.delete(sub); }
  }
  return (options) => new Client(options);
}

function answersOf(model) {
  const regions = [...new Set(model.nodes.map((node) => node.region))];
  const members = model.nodes.map((node, i) => ({
    ...node, slow: undefined, self: i === 0, state: node.dead ? 'dead' : 'alive', ready: true, linked: i > 0 && !node.dead,
    version: '0.1.0', rtt_us: 500,
  }));
  return {
    '/livez': { live: true },
    '/v1/regions': { self: regions[0], regions: regions.map((name) => ({ name, endpoints: [] })) },
    '/v1/cluster': { insecure: true, dev: true, members },
    '/v1/caches': { caches: [{ name: model.topics[0][0] }] },
    '/v1/dev': { nodes: model.nodes.slice(0, 3).map(({ name, region }) => ({ name, region, up: true })), wan_ms: 20, cut: [] },
    '/v1/admin/events': { events: [] },
    '/v1/admin/clients': { clients: model.clients || [], next: '', silent: [] },
    ...model.answers,
  };
}

// model: nodes { name, region, dead, draining, filling, slow }, topics [cache,
// topic], rate, publisher, clients, answers { path: document }.
export function serveFake(given) {
  const model = { rate: 900, publisher: 'ann', topics: [['demo', 'chat']], ...given };
  model.nodes = model.nodes.map((node, i) => ({ ...node, id: idOf(i) }));
  const server = http.createServer((request, response) => {
    const pathname = new URL(request.url, 'http://x').pathname.replace(/^\/\d+\//, '/');
    const say = (status, type, body) => {
      response.writeHead(status, { 'Content-Type': type, 'Content-Security-Policy': policy });
      response.end(body);
    };
    const file = path.join(folder, path.basename(pathname === '/console' ? 'console.html' : pathname));
    const answers = answersOf(model);
    if (pathname === '/starling.js') {
      say(200, types['.js'], `export const connect = (${play})(${JSON.stringify(model)});`);
    } else if (pathname in answers || pathname.startsWith('/v1/admin/trace/')) {
      say(200, 'application/json', JSON.stringify(answers[pathname] || answers.trace));
    } else if (pathname.startsWith('/console') && fs.existsSync(file)) {
      say(200, types[path.extname(file)], fs.readFileSync(file));
    } else {
      say(404, 'text/plain', '');
    }
  });
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () => {
      const close = () => {
        server.closeAllConnections();
        server.close();
      };
      const { port } = server.address();
      // All are this server, but the page takes them for different nodes.
      model.nodes.forEach((node, i) => { node.endpoint = `http://127.0.0.1:${port}${i > 0 ? `/${i}` : ''}`; });
      done({ url: `http://127.0.0.1:${port}/console`, close });
    });
  });
}
