import type { Attack } from './attack.ts';
import { compressedBombs } from './attacks/bodies/compressed-bombs.ts';
import { deletedFamilies } from './attacks/bodies/deleted-families.ts';
import { halfOpen, halfOpenTls } from './attacks/connections/half-open.ts';
import { http2Floods } from './attacks/http2/floods.ts';
import { http2HeaderBombs } from './attacks/http2/header-bombs.ts';
import { http2RapidReset } from './attacks/http2/rapid-reset.ts';
import { http2Streams } from './attacks/http2/streams.ts';
import { jsonAnswers } from './attacks/requests/json-answers.ts';
import { loginFlood } from './attacks/connections/login-flood.ts';
import { longPaths } from './attacks/requests/long-paths.ts';
import { pipelinedLogins } from './attacks/connections/pipelined-logins.ts';
import { pipelining } from './attacks/connections/pipelining.ts';
import { protobufBombs } from './attacks/bodies/protobuf-bombs.ts';
import { scrapeNegotiation } from './attacks/requests/scrape-negotiation.ts';
import { selectors } from './attacks/requests/selectors.ts';
import { slowReaders } from './attacks/connections/slow-readers.ts';
import { snappyBombs } from './attacks/bodies/snappy-bombs.ts';
import { stalledUploads } from './attacks/connections/stalled-uploads.ts';
import { textBombs } from './attacks/bodies/text-bombs.ts';
import { waitingPushes } from './attacks/requests/waiting-pushes.ts';

/** To add an attack, write a file in a folder of attacks/ and list it here. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  'compressed-bombs': compressedBombs,
  'deleted-families': deletedFamilies,
  'half-open': halfOpen,
  'half-open-tls': halfOpenTls,
  'http2-floods': http2Floods,
  'http2-header-bombs': http2HeaderBombs,
  'http2-rapid-reset': http2RapidReset,
  'http2-streams': http2Streams,
  'json-answers': jsonAnswers,
  'login-flood': loginFlood,
  'long-paths': longPaths,
  'pipelined-logins': pipelinedLogins,
  pipelining,
  'protobuf-bombs': protobufBombs,
  'scrape-negotiation': scrapeNegotiation,
  selectors,
  'slow-readers': slowReaders,
  'snappy-bombs': snappyBombs,
  'stalled-uploads': stalledUploads,
  'text-bombs': textBombs,
  'waiting-pushes': waitingPushes,
};
