// SPDX-License-Identifier: Apache-2.0
//
// The token vending backend: what an application has on its own server. It knows
// who somebody is (here it believes the name) and which room they may enter, and
// gives them a short-lived token for that room and nothing else. Its API key needs
// the scope admin:tokens, and itself every right that it gives away.
const { STARLING_URL, STARLING_TOKEN, TOKEN_SECONDS = '300' } = process.env;
const ROOM = /^[a-z0-9-]{1,32}$/;
const NAME = /^[\p{L}\p{N} ._-]{1,32}$/u;

// Gives {token, seconds}, or throws with a status.
export async function vend({ name, room }) {
  if (typeof room !== 'string' || typeof name !== 'string' || !ROOM.test(room) || !NAME.test(name)) {
    throw Object.assign(new Error('what room, and who?'), { status: 400 });
  }
  const answer = await fetch(`${STARLING_URL}/v1/tokens`, {
    method: 'POST',
    headers: { Authorization: STARLING_TOKEN, 'Content-Type': 'application/json' },
    body: JSON.stringify({
      subject: name, // comes with each message of theirs: nobody else can use it
      grants: [{ cache: 'chat', topic: room, role: 'both' }],
      ttl_s: Number(TOKEN_SECONDS),
    }),
  });
  if (!answer.ok) {
    throw Object.assign(new Error(await answer.text()), { status: 502 });
  }
  const { token } = await answer.json();
  return { token, seconds: Number(TOKEN_SECONDS) };
}
