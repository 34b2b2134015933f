// SPDX-License-Identifier: Apache-2.0
//
// The faults of `starling dev`, as buttons: kill and restart a node, cut regions
// off from each other, make the way between them long. A page may ask only the
// node that served it.
import { $, el, keyed, setAttr, setText, show } from './dom.js';

export class Dev {
  constructor(app) {
    this.app = app;
    this.state = null; // null: not a cluster of `starling dev`
    this.nodes = el('div', { class: 'choice', role: 'group', 'aria-label': 'Nodes' });
    this.cuts = el('div', { class: 'choice', role: 'group', 'aria-label': 'Between regions' });
    this.note = el('span', { class: 'dim', role: 'status' });
    this.wan = el('input', { type: 'number', min: 0, max: 1000, step: 10, id: 'wan' });
    const form = el('form', { class: 'wan' }, el('label', { for: 'wan' }, 'One way between regions, ms'), this.wan,
      el('button', { class: 'small' }, 'Set'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.act({ do: 'wan', ms: Number(this.wan.value) });
    });
    $('dev').append(el('span', { class: 'dim' }, 'Break it:'), this.nodes, this.cuts, form, this.note);
  }

  async refresh() {
    if (document.hidden) return;
    const answer = await this.app.api.ask('/v1/dev', { base: location.origin });
    if (answer.ok) this.take(answer.body);
    else if (answer.status === 0) setText(this.note, 'the node that served this page is down: r on the terminal, then its number');
  }

  async act(what) {
    setText(this.note, '…');
    const answer = await this.app.api.ask('/v1/dev', { method: 'POST', body: JSON.stringify(what), base: location.origin });
    setText(this.note, answer.ok ? '' : answer.error);
    if (answer.ok) this.take(answer.body);
  }

  take(state) {
    this.state = state;
    show($('dev'), true);
    this.drawNodes(state.nodes);
    this.drawCuts(state);
    if (document.activeElement !== this.wan) this.wan.value = state.wan_ms;
  }

  button(onPress) {
    const button = el('button', { type: 'button', class: 'small' });
    button.addEventListener('click', onPress);
    return button;
  }

  drawNodes(nodes) {
    keyed(this.nodes, nodes, (node) => node.name, ({ name }) => this.button(() => {
      const { up } = this.state.nodes.find((node) => node.name === name) || {};
      this.act({ do: up ? 'kill' : 'restart', node: name });
    }), (button, node) => {
      setText(button, node.up ? `✕ kill ${node.name}` : `↻ restart ${node.name}`);
      setAttr(button, 'class', node.up ? 'small' : 'small primary');
    });
  }

  drawCuts({ nodes, cut }) {
    const regions = [...new Set(nodes.map((node) => node.region))].sort();
    const pairs = regions.flatMap((a, i) => regions.slice(i + 1).map((b) => [a, b]));
    const isCut = ([a, b]) => cut.some((pair) => pair.includes(a) && pair.includes(b));
    const shown = cut.length > 0 ? [...pairs.filter((pair) => !isCut(pair)), 'heal'] : pairs;
    keyed(this.cuts, shown, String, (pair) => this.button(() => this.act(
      pair === 'heal' ? { do: 'heal' } : { do: 'partition', regions: pair })), (button, pair) => {
      setText(button, pair === 'heal' ? '⚭ heal' : `✂ cut ${pair[0]} ⁄ ${pair[1]}`);
      setAttr(button, 'class', pair === 'heal' ? 'small primary' : 'small');
    });
  }
}
