// SPDX-License-Identifier: Apache-2.0
//
// A load balancer before nodes: each connection goes to a node that is ready,
// in turns; one that is there stays until either side ends it.
import net from 'node:net';
import { get, sleep } from '../e2e/harness.mjs';

export class Balancer {
  static async start(nodes) {
    const balancer = new Balancer();
    Object.assign(balancer, { nodes, ready: new Set(nodes), turn: 0, open: true, sockets: new Set() });
    balancer.server = net.createServer((socket) => balancer.#join(socket));
    await new Promise((done) => { balancer.server.listen(0, '127.0.0.1', done); });
    balancer.url = `http://127.0.0.1:${balancer.server.address().port}`;
    for (const node of nodes) balancer.#watch(node);
    return balancer;
  }

  async #watch(node) {
    while (this.open) {
      const { status } = await get(`${node.url}/readyz`);
      if (status === 200) this.ready.add(node);
      else this.ready.delete(node);
      await sleep(100);
    }
  }

  #join(front) {
    const nodes = [...this.ready];
    this.turn += 1;
    const node = nodes[this.turn % nodes.length];
    if (!node) return front.destroy();
    const back = net.connect(node.port, '127.0.0.1');
    const end = () => { front.destroy(); back.destroy(); this.sockets.delete(front); };
    this.sockets.add(front);
    for (const [from, to] of [[front, back], [back, front]]) {
      from.on('error', end);
      from.on('close', () => { to.end(); });
      from.pipe(to);
    }
    return undefined;
  }

  close() {
    this.open = false;
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
