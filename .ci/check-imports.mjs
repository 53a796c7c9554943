// Checks that imports point one way. The table is the whole rule: a file may import its own folder and what its row
// lists, nothing else; `process` is the global one, so that oxlint sees each use. Cycles between files are found by oxlint (import/no-cycle).
//
// A file belongs to the row with the longest path that contains it. `node` stands for all modules of Node.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const PURE = 'shared/errors.ts shared/model shared/records shared/exposition shared/consistency';
const SHARED = `${PURE} shared/async shared/config shared/logger.ts shared/redis shared/http`;

const MAY_IMPORT = {
  'shared/errors.ts': '',
  'shared/logfmt.ts': '',
  'shared/async': 'node:events node:fs node:timers/promises',
  // Pure folders have no access to Redis, HTTP, the log, timers or the process.
  'shared/model': 'shared/errors.ts node:buffer node:crypto',
  'shared/consistency': 'shared/model',
  'shared/exposition': 'shared/errors.ts shared/model shared/consistency node:buffer',
  'shared/records': 'shared/errors.ts shared/model shared/exposition',
  'shared/config': 'shared/errors.ts shared/logfmt.ts shared/model node yaml',
  'shared/logger.ts': 'shared/config shared/logfmt.ts pino',
  'shared/redis': `${PURE} shared/async shared/config shared/logger.ts node ioredis prom-client`,
  'shared/http': `shared/errors.ts shared/model shared/async shared/config shared/logger.ts node fastify prom-client piscina bcryptjs snappyjs`,
  'services/ingest': `${SHARED} node fastify prom-client`,
  'services/ingest/prepare': `${PURE} shared/async shared/http/body services/ingest/catalogue node piscina`,
  'services/ingest/catalogue': PURE,
  'services/worker': `${SHARED} node bullmq prom-client`,
  'services/reader': `${SHARED} node fastify prom-client`,
  'services/reader/text': `${PURE} shared/async`,
  'services/reader/snapshot': `${PURE} services/reader/text`,
  'services/reader/scrape': `${SHARED} services/reader/telemetry.ts services/reader/snapshot services/reader/text node fastify prom-client`,
  'services/reader/query': `${SHARED} services/reader/snapshot node fastify piscina re2js`,
  'services/reader/page': `${SHARED} services/reader/query services/reader/snapshot node fastify`,
  'services/gateway': `${SHARED} services/ingest services/worker services/reader node fastify ioredis prom-client`,
};

const rows = Object.keys(MAY_IMPORT).toSorted((a, b) => b.length - a.length);
const rowOf = (path) => rows.find((row) => isWithin(path, row));
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'services', 'shared'], {
  encoding: 'utf8',
});

let faults = 0;
let checked = 0;
for (const file of files.split('\n').filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))) {
  const row = rowOf(file);
  if (row === undefined) {
    report(file, 'belongs to no folder of the table in .ci/check-imports.mjs');
    continue;
  }
  const source = readFileSync(file, 'utf8');
  for (const [, specifier] of source.matchAll(/(?:^import|^export .*from|^\} from|\bimport\(| from) *'([^'\n]+)'/gm)) {
    checked++;
    const target = specifier.startsWith('.') ? join(dirname(file), specifier) : specifier;
    const allowed = [row, ...MAY_IMPORT[row].split(' ')];
    if (target !== 'node:process' && allowed.some((one) => isWithin(target, one))) continue;
    report(file, `imports ${target}; ${row} may import ${MAY_IMPORT[row] || 'nothing'}`);
  }
}
console.log(`${checked} imports checked, ${faults} faults`);
process.exitCode = faults > 0 ? 1 : 0;

function isWithin(path, folder) {
  return path === folder || path.startsWith(`${folder}/`) || (folder === 'node' && path.startsWith('node:'));
}

function report(file, fault) {
  faults++;
  console.error(`${file}: ${fault}`);
}
