import type { Attack } from '../../attack.ts';
import { Client, swarm } from '../../client/swarm.ts';
import { Tally } from '../../client/tally.ts';

const GROUPS = 150;
/** Below the limit of a request's headers. */
const VALUE = `${'ab'.repeat(15_000)}x`;

const SELECTORS = [
  '{l=~"(.*a){60}.*c"}',
  '{l=~"(a|b|ab)*c"}',
  '{l=~".*(a|b)[ab]{500}[^abx]"}',
  '{l=~"((a?){30}){30}c"}',
  String.raw`{l=~"(?i).*\\p{L}{800}[0-9]"}`,
  '{l!~".*b[ab]{700}q.*"}',
  `{l=~"${'(a|b)?'.repeat(300)}c"}`,
  '{l=~".*a.*b.*a.*b.*a.*b.*c"}',
  '{job=~"(s|se|sel)+[a-z]{999}"}',
  `{l=~"${'x?'.repeat(900)}${'x'.repeat(900)}"}`,
];

const query = (selectors: readonly string[], more = ''): string =>
  `/api/v1/groups?${selectors.map((selector) => `match[]=${encodeURIComponent(selector)}`).join('&')}${more}`;

async function fill(client: Client): Promise<void> {
  for (let i = 0; i < GROUPS && !client.signal.aborted; i++) {
    const path = `/metrics/job/selected/n/${i}/l/${VALUE}${i}`;
    await client.call({ method: 'PUT', path, body: `selected_${i} 1\n` });
  }
}

export const selectors: Attack = {
  what: 'regular expressions with repetitions and alternatives, one and many at a time, over long label values',
  against: 'plain',
  clients: 10,
  prepare: async (target, signal) => fill(new Client(0, target, signal, new Tally())),
  start: async (target, signal) =>
    swarm(target, signal, async (client) => {
      const one = SELECTORS[client.index % SELECTORS.length] ?? '';
      await client.call({ method: 'GET', path: query([one]) });
      await client.call({ method: 'GET', path: query(SELECTORS, '&limit=1000') });
      await client.call({ method: 'GET', path: query(Array.from({ length: 200 }, (_, i) => `{l=~".*a{${i}}c"}`)) });
      await client.call({ method: 'GET', path: `/?q=${encodeURIComponent('ab'.repeat(20_000))}` });
      await client.call({ method: 'GET', path: `/?q=${encodeURIComponent(one)}` });
    }),
};
