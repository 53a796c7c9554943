// image-digests.mjs [--write]: compares each container image that is pinned as NAME:TAG@DIGEST with what its registry
// has under the tag now, and ends with status 1 if one differs; with --write it updates the files instead. A registry
// that cannot be reached is no fault.
import { readFileSync, writeFileSync } from 'node:fs';

const FILES = ['Dockerfile', 'docker-compose.yml', 'deploy/redis/redis.yaml'];
const PINNED = /\b([\w./-]+):([\w.-]+)@(sha256:[0-9a-f]{64})/g;
const INDEX_TYPES =
  'application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json';
const REGISTRY = process.env['REGISTRY'] ?? 'https://registry-1.docker.io';

const digests = new Map();
for (const file of FILES) {
  const text = readFileSync(file, 'utf8');
  let updated = text;
  for (const [pinned, name, tag, digest] of text.matchAll(PINNED)) {
    const current = await digestOf(name, tag);
    if (current === undefined || current === digest) continue;
    updated = updated.replaceAll(pinned, `${name}:${tag}@${current}`);
    console.log(`${file}: ${name}:${tag} is ${current} now, not ${digest}`);
  }
  if (updated === text) continue;
  if (process.argv[2] === '--write') writeFileSync(file, updated);
  else process.exitCode = 1;
}
const answers = [...digests.values()].filter((digest) => digest !== undefined);
console.log(`${answers.length} of ${digests.size} images compared with their registry`);

/** Undefined if the registry does not answer. */
async function digestOf(name, tag) {
  const image = `${name}:${tag}`;
  if (!digests.has(image)) digests.set(image, await ask(name.includes('/') ? name : `library/${name}`, tag));
  return digests.get(image);
}

async function ask(repository, tag) {
  const url = `${REGISTRY}/v2/${repository}/manifests/${tag}`;
  try {
    let answer = await fetch(url, { method: 'HEAD', headers: { accept: INDEX_TYPES } });
    if (answer.status === 401) {
      // An anonymous token: https://distribution.github.io/distribution/spec/auth/token/
      const [, realm, service] = /realm="([^"]+)",service="([^"]+)"/.exec(answer.headers.get('www-authenticate')) ?? [];
      const query = new URLSearchParams({ service, scope: `repository:${repository}:pull` });
      const { token } = await (await fetch(`${realm}?${query}`)).json();
      answer = await fetch(url, { method: 'HEAD', headers: { accept: INDEX_TYPES, authorization: `Bearer ${token}` } });
    }
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.headers.get('docker-content-digest') ?? undefined;
  } catch (error) {
    console.log(`skipped: ${repository}:${tag}: ${error.cause?.code ?? error.message}`);
    return undefined;
  }
}
