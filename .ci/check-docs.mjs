// Compares the code with its documents: each setting, error code, metric and Redis key must be described, and each name
// that is described must exist. Reads the sources as text, so it needs no build. Ends with 1 if one differs.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const faults = [];
let checked = 0;

compare('setting', {
  code: 'shared/config/settings/settings.ts',
  inCode: matches('shared/config/settings/settings.ts', /\b(?:setting|ignoredSetting)\('([\w.-]+)'/g),
  document: 'docs/configuration.md',
  documented: matches('docs/configuration.md', /^\| (?:`-\w`, )?`--([\w.-]+)` \|/gm),
});

const [statusTable = ''] = matches('shared/errors.ts', /HTTP_STATUS = \{([^}]*)\}/g);
compare('error code', {
  code: 'shared/errors.ts',
  // 500 is never sent: the document names the exit status instead.
  inCode: [...statusTable.matchAll(/(\w+): (\d+),/g)].map(([, code, status]) =>
    status === '500' ? code : `${code} ${status}`,
  ),
  document: 'docs/api/errors.md',
  documented: section('docs/api/errors.md', '## Codes', /^\| `(\w+)` \| (?:(\d+)|exit)/gm),
});

compare('metric', {
  code: 'services and shared',
  inCode: ['services', 'shared']
    .flatMap(sourcesIn)
    .flatMap((file) => matches(file, /(?:\bname: '|^\s+)((?:pushgateway|metrics)_\w+)(?:',|: \[)/gm)),
  document: 'docs/telemetry.md',
  documented: matches('docs/telemetry.md', /^\| (`(?:pushgateway|metrics)_[^|]*)\|/gm).flatMap((cell) =>
    [...cell.matchAll(/`(\w+)/g)].map(([, name]) => name),
  ),
});

// The document adds an example of an ID, or what BullMQ adds.
const described = matches('docs/storage-format.md', /^\| `(\{?pgw[^`]*)` \|/gm);
const keys = matches('shared/redis/keys.ts', /[:=>] `([^`\s]+)`[;,]/g)
  .map((template) =>
    template
      .replace('${base}', 'pgw:{n}')
      .replace(/\$\{(?:this\.#)?prefix\}/, 'pgw')
      .replace('${shard}', 'n')
      .replace('${id}', ''),
  )
  .filter((key) => key !== 'pgw:{n}');
compare('Redis key', {
  code: 'shared/redis/keys.ts',
  inCode: keys,
  document: 'docs/storage-format.md',
  documented: described.map((name) => keys.find((key) => name.startsWith(key)) ?? name),
});

for (const fault of faults) console.error(fault);
console.log(`${checked} names compared with their documents, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;

function compare(what, { code, inCode, document, documented }) {
  // An empty list means that the pattern no longer fits the source.
  if (inCode.length === 0) faults.push(`${code}: found no ${what}`);
  checked += inCode.length;
  for (const name of inCode) if (!documented.includes(name)) faults.push(`${document}: missing ${what} ${name}`);
  for (const name of documented)
    if (!inCode.includes(name)) faults.push(`${document}: unknown ${what} ${name}, not in ${code}`);
}

/** What the groups of the pattern match in the file, joined by blanks. */
function matches(file, pattern) {
  return matchesIn(read(file), pattern);
}

/** As matches(), in one section of a document. */
function section(file, heading, pattern) {
  const [, rest = ''] = read(file).split(`\n${heading}\n`);
  return matchesIn(rest.split('\n## ', 1)[0], pattern);
}

function matchesIn(text, pattern) {
  return [...text.matchAll(pattern)].map(([, ...groups]) => groups.filter((group) => group !== undefined).join(' '));
}

function sourcesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourcesIn(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    faults.push(`${file}: ${error.message}`);
    return '';
  }
}
