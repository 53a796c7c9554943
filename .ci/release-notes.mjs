// release-notes.mjs TAG: prints the section of CHANGELOG.md for a tag such as v1.2.3. Ends with status 1 if the tag is
// not the version of package.json, or if the section is missing, empty or without a date.
import { readFileSync } from 'node:fs';

const tag = process.argv[2] ?? '';
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
if (tag !== `v${version}`) fail(`tag "${tag}" is not the version of package.json: expected v${version}`);

const sections = readFileSync('CHANGELOG.md', 'utf8').split(/^## /m);
const section = sections.find((text) => text.startsWith(`${version} `));
if (section === undefined) fail(`CHANGELOG.md has no section "## ${version} - YYYY-MM-DD"`);
const [heading, ...lines] = section.split('\n');
if (!/^\S+ - \d{4}-\d{2}-\d{2}$/.test(heading))
  fail(`cannot read heading "## ${heading}": expected a date after " - "`);
const notes = lines.join('\n').trim();
if (notes === '') fail(`section ${version} of CHANGELOG.md is empty`);
console.log(notes);

function fail(reason) {
  console.error(`cannot release: ${reason}`);
  process.exit(1);
}
