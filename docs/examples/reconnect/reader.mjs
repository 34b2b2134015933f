// SPDX-License-Identifier: Apache-2.0
//
// Reads numbers, and says what became of it when its node went.
import { connect } from '../../../node/console/starling.js'; // or a copy of /starling.js

export function read(endpoints, say) {
  const star = connect({ endpoints });
  let last = null; // number
  let lostAt = 0;
  let told = '';

  star.on('state', ({ state, node }) => {
    if (state === 'lost' && !lostAt) lostAt = Date.now();
    if (state === 'open' && !lostAt) say(`connected to ${node}`);
    if (state === 'open' && lostAt) {
      told = `reconnected to ${node} in ${((Date.now() - lostAt) / 1000).toFixed(1)} s`;
      lostAt = 0;
    }
  });
  // Resumed: the next number follows the last. Else `gap` says so, and how many
  // are missing is known here alone, because they have numbers.
  star.subscribe('demo', 'numbers', {
    onItem({ value, gap }) {
      const number = Number(value);
      const missing = number - last - 1;
      if (told) say(gap ? `${told}, gap ${missing ? `${last + 1}..${number - 1}` : 'of nothing'}` : `${told}, nothing missing`);
      told = '';
      last = number;
    },
  });
  return star;
}
