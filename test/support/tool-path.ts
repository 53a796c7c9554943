import { delimiter, join } from 'node:path';

// Programs are looked for in PATH first, then where .ci/install-tools puts some, then in sbin: Debian keeps nginx there, and
// a plain user's PATH leaves it out.
const more = [join(import.meta.dirname, '../../.cache/tools/bin'), '/usr/local/sbin', '/usr/sbin', '/sbin'];
process.env['PATH'] = [process.env['PATH'] ?? '', ...more].join(delimiter);
