// SPDX-License-Identifier: Apache-2.0
//
// The clients for which most waits, as bars of their bound; and on request all
// of them. Who may, closes one.
import { Bar } from './charts.js';
import { el, keyed, setText, show } from './dom.js';
import { bytes, count, span } from './format.js';

const LISTED = 50;
const SURE_MS = 4000;

export class Clients {
  constructor(root, store, api) {
    this.store = store;
    this.api = api;
    this.listed = null; // by request, else only who is slow
    this.list = el('ol', { class: 'clients' });
    this.note = el('p', { class: 'note', role: 'status' });
    this.mayKick = api.may('admin:kick');
    this.all = el('button', { type: 'button', class: 'small', 'aria-pressed': 'false' }, 'Show all clients');
    this.all.addEventListener('click', () => this.toggle());
    root.append(el('p', { class: 'tools' }, this.all, this.note), this.list);
  }

  async toggle() {
    if (this.listed) {
      this.listed = null;
    } else {
      const answer = await this.api.ask(`/v1/admin/clients?sort=queue&limit=${LISTED}`);
      if (!answer.ok) {
        setText(this.note, answer.error);
        return;
      }
      this.listed = answer.body.clients;
    }
    this.all.setAttribute('aria-pressed', String(this.listed !== null));
    setText(this.all, this.listed ? 'Only slow clients' : 'Show all clients');
    this.draw(Date.now());
  }

  make(client) {
    const bar = new Bar('waiting');
    const kick = el('button', { type: 'button', class: 'small' }, 'Kick');
    kick.addEventListener('click', () => this.kick(kick, client.client));
    show(kick, this.mayKick);
    const row = el('li', {}, el('span', { class: 'who' }), bar.svg, el('span', { class: 'n' }), kick,
      el('span', { class: 'dim' }));
    row.parts = { bar, who: row.children[0], queue: row.children[2], about: row.children[4] };
    return row;
  }

  draw(now) {
    const clients = this.listed || this.store.slow(now);
    if (!this.said) {
      setText(this.note, this.listed ? `the first ${LISTED} by what waits`
        : clients.length === 0 ? 'nobody is slow: every client reads what it gets'
          : this.mayKick ? '' : 'to close one takes a token with admin:kick');
    }
    show(this.note, this.note.textContent !== '');
    keyed(this.list, clients, (client) => client.client, (client) => this.make(client), (row, client) => {
      const { bar, who, queue, about } = row.parts;
      bar.draw(client.queue, client.limit);
      setText(who, `${client.who || 'anonymous'} · ${client.door}@${client.node}`);
      setText(queue, `${bytes(client.queue)} of ${bytes(client.limit)}`);
      const subs = client.subs === undefined ? '' : ` · ${count(client.subs)} subscriptions`;
      setText(about, `${client.client} · ${client.address} · for ${span(client.age_ms)}${subs}`);
    });
  }

  say(text) {
    this.said = true;
    setText(this.note, text);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.said = false; }, SURE_MS * 2);
  }

  // The first press asks, the second does it.
  async kick(button, client) {
    if (!button.dataset.sure) {
      button.dataset.sure = 'yes';
      button.classList.add('danger');
      setText(button, 'Sure?');
      setTimeout(() => {
        delete button.dataset.sure;
        button.classList.remove('danger');
        setText(button, 'Kick');
      }, SURE_MS);
      return;
    }
    const answer = await this.api.ask(`/v1/admin/clients/${encodeURIComponent(client)}/kick`, { method: 'POST' });
    this.say(answer.ok ? `${client} is closed` : answer.error);
    if (answer.ok && this.listed) this.listed = this.listed.filter((one) => one.client !== client);
    this.draw(Date.now());
  }
}
